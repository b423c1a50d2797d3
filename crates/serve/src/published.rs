//! The pointers of one generation, and which generation a connection sees.
//!
//! A client reads `latest` and then `latest.sig`, as two requests on one connection, and a pair that does not match is
//! a hard error for it. So the first pointer that a connection asks for pins the generation for it:
//!
//! - a text (`latest`, `latest_version`, `first`) is read from the pinned generation for a short while, and then
//!   pins the newest again: connections of proxies live for days and must not serve the past;
//! - a signature belongs to the text read before it, so it comes from the pinned generation for as long as the client
//!   may still be waiting for it.
//!
//! A new connection always sees the newest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clearwell_format::FormatNumber;
use clearwell_format::resource::Pointer;
use clearwell_metrics::FormatState;
use clearwell_store::PointerGeneration;

use crate::object::Object;

/// How long after a text its signature is still read from the same generation. The stock client gives a request up
/// when nothing came for 120 seconds; then it opens a new connection.
const SIGNATURE_PATIENCE: Duration = Duration::from_secs(150);

/// All pointers of one generation, ready to be served.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) number: u64,
    pub(crate) formats: Vec<FormatState>,
    objects: BTreeMap<Pointer, Object>,
}

impl Published {
    pub(crate) fn new(generation: &PointerGeneration) -> Self {
        let formats = generation.formats();
        Self {
            number: generation.number,
            formats: formats
                .filter_map(|format| Some(FormatState { format, version: generation.latest(format)? }))
                .collect(),
            objects: generation
                .files
                .iter()
                .map(|(pointer, bytes)| (*pointer, Object::of_pointer(*pointer, bytes)))
                .collect(),
        }
    }

    pub(crate) fn get(&self, pointer: Pointer) -> Option<&Object> {
        self.objects.get(&pointer)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// True if a pointer that is missing may come with a later publication: nothing is published yet, or its format is
    /// newer than all there are. What lies beside a text that is there, such as the signature of an unsigned release,
    /// will not come.
    pub(crate) fn may_come(&self, pointer: Pointer) -> bool {
        let newest = self.objects.keys().filter_map(|pointer| format_of(*pointer)).max();
        match (format_of(pointer), newest) {
            (_, None) => self.objects.is_empty(),
            (None, Some(_)) => false,
            (Some(format), Some(newest)) => format > newest,
        }
    }
}

const fn format_of(pointer: Pointer) -> Option<FormatNumber> {
    match pointer {
        Pointer::Latest(format) | Pointer::LatestSignature(format) | Pointer::First(format) => Some(format),
        Pointer::LatestVersion | Pointer::LatestVersionSignature | Pointer::Staging | Pointer::StagingSignature => None,
    }
}

/// Which generation a connection sees.
#[derive(Debug, Default)]
pub(crate) struct PointerPin(Mutex<Option<Box<Pinned>>>);

#[derive(Debug)]
struct Pinned {
    published: Arc<Published>,
    since: Instant,
    /// When a text was last read from it.
    text_read: Instant,
}

impl PointerPin {
    /// The generation to read `pointer` from, if the connection is bound to one. `hold` is how long texts are.
    pub(crate) fn held(&self, pointer: Pointer, now: Instant, hold: Duration) -> Option<Arc<Published>> {
        let mut pinned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pinned = pinned.as_mut()?;
        let held = now.duration_since(pinned.since) < hold;
        let held = if pointer.is_signature() {
            held || now.duration_since(pinned.text_read) < SIGNATURE_PATIENCE
        } else {
            if held {
                pinned.text_read = now;
            }
            held
        };
        held.then(|| Arc::clone(&pinned.published))
    }

    /// Binds the connection to `newest`, which was looked up after `now`. If another request of the connection was
    /// faster, its generation stays.
    pub(crate) fn bind(&self, newest: Arc<Published>, now: Instant) -> Arc<Published> {
        let mut pinned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *pinned {
            Some(other) if other.since >= now => Arc::clone(&other.published),
            _ => {
                let bound = Pinned { published: Arc::clone(&newest), since: Instant::now(), text_read: now };
                *pinned = Some(Box::new(bound));
                newest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(10);
    const FORMAT: FormatNumber = FormatNumber::new(30).unwrap();
    const TEXT: Pointer = Pointer::Latest(FORMAT);
    const SIGNATURE: Pointer = Pointer::LatestSignature(FORMAT);

    fn generation(number: u64, files: &[(Pointer, &str)]) -> Arc<Published> {
        let files = files.iter().map(|(pointer, text)| (*pointer, Arc::from(text.as_bytes()))).collect();
        Arc::new(Published::new(&PointerGeneration { number, files }))
    }

    #[test]
    fn texts_are_held_for_a_while_and_signatures_as_long_as_somebody_may_wait() {
        let (pin, start) = (PointerPin::default(), Instant::now());
        assert!(pin.held(TEXT, start, HOLD).is_none());
        assert_eq!(pin.bind(generation(1, &[]), start).number, 1);
        let after = |seconds: u64| Instant::now() + Duration::from_secs(seconds);
        let held = |pointer, seconds| pin.held(pointer, after(seconds), HOLD).map(|held| held.number);
        assert_eq!(held(TEXT, 5), Some(1));
        assert_eq!(held(SIGNATURE, 100), Some(1));
        assert_eq!(held(TEXT, 100), None);
        assert_eq!(held(SIGNATURE, 160), None, "155 seconds after the text");
    }

    #[test]
    fn of_two_requests_at_once_the_first_binds() {
        let (pin, asked) = (PointerPin::default(), Instant::now());
        assert_eq!(pin.bind(generation(1, &[]), asked).number, 1);
        assert_eq!(pin.bind(generation(2, &[]), asked).number, 1);
        let later = Instant::now() + Duration::from_millis(1);
        assert_eq!(pin.bind(generation(2, &[]), later).number, 2);
    }

    #[test]
    fn which_missing_pointers_may_come() {
        let format = |number| FormatNumber::new(number).unwrap();
        let none = generation(0, &[]);
        for pointer in [TEXT, SIGNATURE, Pointer::LatestVersion, Pointer::LatestVersionSignature] {
            assert!(none.may_come(pointer), "{pointer}");
        }
        let unsigned = generation(1, &[(TEXT, "30"), (Pointer::LatestVersion, "30")]);
        for (pointer, may_come) in [
            (SIGNATURE, false),
            (Pointer::First(FORMAT), false),
            (Pointer::LatestVersionSignature, false),
            (Pointer::Staging, false),
            (Pointer::StagingSignature, false),
            (Pointer::Latest(format(29)), false),
            (Pointer::Latest(format(31)), true),
            (Pointer::LatestSignature(format(31)), true),
        ] {
            assert_eq!(unsigned.may_come(pointer), may_come, "{pointer}");
        }
    }
}
