//! The whole system under test: the stack, builders and waiting.
