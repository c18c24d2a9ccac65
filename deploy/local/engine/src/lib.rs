//! The real ClickHouse engine as a server of its own, for one machine: ClickHouse's HTTP interface over `libchdb`.
//!
//! A request's way: [`server`] accepts it, [`handler`] finds out who sent it, [`request`] what it asks for,
//! [`statement`] puts its text together and [`sql`] finds the statement's shape; then [`select`], [`insert`] or
//! [`command`] runs it on the [`engine`], and [`answer`] tells the outcome.

mod answer;
mod auth;
mod chdb;
mod command;
mod engine;
mod exception;
mod flush;
mod handler;
mod insert;
mod multipart;
mod params;
mod request;
mod rows;
mod running;
mod select;
pub mod server;
pub mod settings;
mod sql;
mod statement;

pub use request::refused_parameters;
