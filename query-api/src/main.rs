//! The program `query-api`.

use anyhow::ensure;
use clap::{Parser, Subcommand};
use query_api::auth::{Grant, demo_token};
use query_api::settings::{QueryApiSettings, TokenAlgorithm};
use service::run::CommonArgs;
use service::settings::DurationSetting;
use std::process::ExitCode;

#[derive(Parser)]
#[command(version, about = "Serves the AI usage audit log: cards, breakdowns, log and CSV")]
struct Arguments {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API (the default)
    Run,
    /// Print a token signed with `auth.key`; for operators and demonstrations, needs HS256
    Token {
        /// An organisation the token is for; may stand several times
        #[arg(long, required = true)]
        org: Vec<String>,
        /// A permission in these organisations; may stand several times
        #[arg(long, default_values_t = [query_api::auth::PERMISSION.to_owned()])]
        permission: Vec<String>,
        /// How long it holds
        #[arg(long, default_value = "12h")]
        lifetime: DurationSetting,
    },
    /// Print the OpenAPI document
    Openapi,
}

fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    match command.unwrap_or(Command::Run) {
        Command::Run => service::run::service(
            "query-api",
            &common,
            async |settings: QueryApiSettings, health, shutdown| {
                let listener = query_api::bind(&settings.http).await?;
                query_api::run(settings, listener, health, shutdown).await
            },
        ),
        Command::Token { org, permission, lifetime } => {
            service::run::command("query-api", &common, async |settings: QueryApiSettings, _| {
                let is_secret =
                    settings.auth.algorithm == TokenAlgorithm::Hs256 && !settings.auth.key.is_empty();
                ensure!(
                    is_secret,
                    "tokens can only be made with auth.algorithm HS256 and its secret in auth.key"
                );
                let grant = |id| Grant { id, permissions: permission.clone(), roles: Vec::new() };
                let grants = org.into_iter().map(grant).collect();
                println!("{}", demo_token(settings.auth.key.expose(), grants, lifetime.get())?);
                Ok(())
            })
        }
        Command::Openapi => {
            println!("{}", query_api::openapi::document());
            ExitCode::SUCCESS
        }
    }
}
