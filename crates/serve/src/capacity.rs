//! The resources that the limits of the configuration need, compared with those of the system before the start.

use clearwell_store::memory;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::ServeConfig;
use crate::error::ServeError;
use crate::http2;

/// Descriptors in addition to connections and open files of the cache: logs, files being read.
const OTHER_DESCRIPTORS: u64 = 256;
/// Descriptors of a worker: its event queue and its waker.
const WORKER_DESCRIPTORS: u64 = 4;
/// The number of connections assumed to use their maximum concurrently; idle ones use next to nothing.
const BUSY_CONNECTIONS: u64 = 1024;
/// Memory of the program itself.
const BASE_BYTES: u64 = 32 << 20;

/// Raises the limit of descriptors as far as allowed, and refuses limits that the system cannot satisfy.
pub(crate) fn check(config: &ServeConfig) -> Result<(), ServeError> {
    let needed = descriptors(config);
    let limits = getrlimit(Resource::Nofile);
    let allowed = limits.maximum.unwrap_or(u64::MAX);
    if needed > allowed {
        return Err(ServeError::TooFewDescriptors { needed, allowed });
    }
    if limits.current.is_some_and(|current| current < needed) {
        let raised = Rlimit { current: Some(needed), maximum: limits.maximum };
        setrlimit(Resource::Nofile, raised)
            .map_err(|_| ServeError::TooFewDescriptors { needed, allowed: limits.current.unwrap_or_default() })?;
    }
    let needed = needed_bytes(config);
    match memory::allowed_bytes() {
        Some(allowed) if needed > allowed => {
            Err(ServeError::TooLittleMemory { needed_mib: needed >> 20, allowed_mib: allowed >> 20 })
        }
        _ => Ok(()),
    }
}

/// Each worker has a socket for each.
fn listeners(config: &ServeConfig) -> u64 {
    [&config.listen, &config.listen_tls].into_iter().map(|listen| listen.listeners().len() as u64).sum()
}

fn descriptors(config: &ServeConfig) -> u64 {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    number(config.max_connections.get())
        .saturating_add(number(config.open_files.get()))
        .saturating_add(number(config.workers).saturating_mul(WORKER_DESCRIPTORS + listeners(config)))
        .saturating_add(OTHER_DESCRIPTORS)
}

fn needed_bytes(config: &ServeConfig) -> u64 {
    let busy = (config.max_connections.get() as u64).min(BUSY_CONNECTIONS);
    let connections = busy.saturating_mul(http2::connection_bytes(config));
    config.memory_cache.bytes().saturating_add(connections).saturating_add(BASE_BYTES)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::config::ByteSize;

    #[test]
    fn limits_that_cannot_be_kept_are_refused() {
        let many = ServeConfig { max_connections: NonZeroUsize::MAX, ..ServeConfig::default() };
        assert!(matches!(check(&many), Err(ServeError::TooFewDescriptors { needed: u64::MAX, .. })));
        let few = NonZeroUsize::new(10).unwrap();
        let large = ServeConfig {
            memory_cache: ByteSize::new(1 << 60),
            max_connections: few,
            open_files: few,
            ..ServeConfig::default()
        };
        assert!(matches!(check(&large), Err(ServeError::TooLittleMemory { .. })));
        check(&ServeConfig { max_connections: few, open_files: few, ..ServeConfig::default() }).unwrap();
    }
}
