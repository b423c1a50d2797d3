//! Where the inputs of a release come from.
