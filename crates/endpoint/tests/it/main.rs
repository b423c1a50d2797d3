//! Endpoints against content in memory: requests, failures, hostile content, verification.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod conflicts;
mod failures;
mod hostile;
mod lifecycle;
mod request_order;
mod served;
mod support;
mod verified;
