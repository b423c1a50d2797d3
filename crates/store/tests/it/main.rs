//! The store from outside: what it promises its writers, its readers, and after a crash.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod adopt;
mod backup;
mod backup_faults;
mod backup_refusals;
mod check_faults;
mod crash;
mod damage;
mod discard;
mod disk_errors;
mod drafts;
mod fullfiles;
mod gc;
mod hooked;
mod order;
mod past_the_disk;
mod readers;
mod records;
mod states;
mod support;
mod verify;
mod writers;
