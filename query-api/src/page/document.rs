//! A rendered page as a response.

use crate::problem::Problem;
use askama::Template;
use axum::response::{Html, IntoResponse, Response};

/// A template that answers a request.
#[derive(Debug)]
pub struct Document<T>(pub T);

impl<T: Template> IntoResponse for Document<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}
