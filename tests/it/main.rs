//! The whole system, end to end, on the real stack. One binary, a module a theme.

mod python_emitter;
mod warehouse_contract;
