//! The server on the real engine, from outside: the official clients, raw HTTP, and signals.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says where")]

mod clients;
mod durability;
mod errors;
mod http;
mod stack;
mod stop;
mod streams;
mod support;
