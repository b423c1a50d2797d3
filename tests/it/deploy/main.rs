//! What operators copy from `deploy/`, each with the program that reads it and the shipped binary behind or beside it.
//!
//! A test whose program is not on `PATH` is skipped, loudly. The test target belongs to the package of the binary,
//! because cargo gives the path of the binary only to the tests of that package.
