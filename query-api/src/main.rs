//! The program `query-api`.

use anyhow::ensure;
use clap::{Args, Parser, Subcommand};
use query_api::auth::{Grant, demo_token};
use query_api::settings::{QueryApiSettings, TokenAlgorithm};
use query_api::sign_in;
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
        #[command(flatten)]
        session: Session,
    },
    /// Print a link that signs one browser in, once; needs `pages.sign_in_links`
    SignInLink {
        #[command(flatten)]
        session: Session,
        /// Where the browser reaches the service; default `http.listener`
        #[arg(long)]
        base_url: Option<String>,
    },
    /// Print the OpenAPI document
    Openapi,
}

/// What somebody may see, and for how long.
#[derive(Args)]
struct Session {
    /// An organisation; may stand several times
    #[arg(long, required = true)]
    org: Vec<String>,
    /// A permission in these organisations; may stand several times
    #[arg(long, default_values_t = [query_api::auth::PERMISSION.to_owned()])]
    permission: Vec<String>,
    /// How long it holds
    #[arg(long, default_value = "12h")]
    lifetime: DurationSetting,
}

impl Session {
    fn grants(&self) -> Vec<Grant> {
        let grant =
            |id: &String| Grant { id: id.clone(), permissions: self.permission.clone(), roles: Vec::new() };
        self.org.iter().map(grant).collect()
    }
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
        Command::Token { session } => {
            service::run::command("query-api", &common, async |settings: QueryApiSettings, _| {
                let is_secret =
                    settings.auth.algorithm == TokenAlgorithm::Hs256 && !settings.auth.key.is_empty();
                ensure!(
                    is_secret,
                    "tokens can only be made with auth.algorithm HS256 and its secret in auth.key"
                );
                let token = demo_token(settings.auth.key.expose(), session.grants(), session.lifetime.get())?;
                println!("{token}");
                Ok(())
            })
        }
        Command::SignInLink { session, base_url } => {
            service::run::command("query-api", &common, async |settings: QueryApiSettings, _| {
                let base_url = base_url.unwrap_or_else(|| format!("http://{}", settings.http.listener));
                println!(
                    "{}",
                    sign_in::link(&settings, &base_url, session.grants(), session.lifetime.get())?
                );
                Ok(())
            })
        }
        Command::Openapi => {
            println!("{}", query_api::openapi::document());
            ExitCode::SUCCESS
        }
    }
}
