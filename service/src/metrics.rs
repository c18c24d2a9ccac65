//! The metrics every service has.

/// 1 while a component of the service works, 0 while it waits or failed. Label `component`. When it stays 0, ask
/// `/readyz` what it waits for.
pub const COMPONENT_READY: &str = "service_component_ready";

/// Failed attempts that were followed by another one. Label `operation`. When it grows steadily, what the operation
/// talks to is away or overloaded; the log names the cause.
pub const RETRIES_TOTAL: &str = "service_retries_total";

/// Always 1. Labels `service` and `version` say what runs here.
pub const INFO: &str = "service_info";

pub(crate) fn describe(service: &'static str) {
    metrics::describe_gauge!(COMPONENT_READY, "1 while the component works, 0 while it waits or failed");
    metrics::describe_gauge!(INFO, "always 1; its labels say what runs here");
    metrics::gauge!(INFO, "service" => service, "version" => env!("CARGO_PKG_VERSION")).set(1);
    metrics::describe_counter!(RETRIES_TOTAL, "failed attempts that were followed by another one");
}

pub(crate) fn component_ready(component: &str, ready: bool) {
    metrics::gauge!(COMPONENT_READY, "component" => component.to_owned()).set(u8::from(ready));
}

pub(crate) fn retried(operation: &'static str) {
    metrics::counter!(RETRIES_TOTAL, "operation" => operation).increment(1);
}
