//! The server on the real engine, from outside: the official clients, raw HTTP, and signals.

mod clients;
mod durability;
mod errors;
mod http;
mod stack;
mod stop;
mod streams;
mod support;
