//! Builders, damage and probes, for tests only.
