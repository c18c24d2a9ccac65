//! Everything that is neither a `SELECT` nor an `INSERT` with data: it runs to its end, and its output is small.

use std::sync::Arc;

use hyper::Response;

use crate::answer::{self, Body};
use crate::auth::User;
use crate::exception::{Code, Exception};
use crate::handler::Context;
use crate::statement::Job;

/// Runs a statement whose first word is `verb`. It goes on when its client leaves, as on a real server.
pub async fn run(
    server: &Arc<Context>,
    job: Job,
    text: &[u8],
    verb: &str,
) -> Result<Response<Body>, Exception> {
    let Job { heading, call, user, ticket } = job;
    // Both users are one to the engine, which lets everybody kill what is their own.
    if user == User::Reader && verb.eq_ignore_ascii_case("KILL") {
        return Err(Exception::new(Code::Readonly, "reader: Cannot execute query in readonly mode"));
    }
    let engine = Arc::clone(&server.engine);
    let (sql, format) = (text.to_vec(), heading.format.clone());
    let output = tokio::task::spawn_blocking(move || {
        let result = engine
            .connect(user, &call.session, &ticket.mark())
            .and_then(|mut connection| connection.query(&sql, &format, &call.parameters))
            .map(|output| (output.bytes(), output.work()));
        drop(ticket);
        result
    })
    .await
    .unwrap_or_else(|_| Err(Exception::lost()));
    let (bytes, work) = output?;
    Ok(answer::succeeded(&heading, &server.engine, Some(work), answer::whole(bytes)))
}
