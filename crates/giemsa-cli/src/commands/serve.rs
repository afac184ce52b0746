//! `giemsa serve`: the page on which smears are counted and reviewed, and the API.

use crate::print::{escaped, print_line, print_note};
use crate::{Context, Outcome};
use giemsa::RESEARCH_ONLY;
use giemsa_server::logs::{self, Level, LogFormat};
use giemsa_server::settings::PORT;
use giemsa_server::{ModelSource, Settings, serve};
use std::io::{IsTerminal, stdout};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa serve --open
  giemsa serve --port 9000 --data cases
  giemsa serve --model own=calibrated.safetensors --model compact=builtin
  GIEMSA_TOKEN=secret giemsa serve --address 0.0.0.0 --host lab.example.org

The page opens at the address that the command prints. Drop photographs of a smear or images of cells on it: they are classified \
on this machine and never leave it. Verdicts are stored the moment they are given, in the data folder, together with the images.

With --address, other machines can reach the server. It then requires a token.";

/// Arguments of `giemsa serve`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// Port to listen on; 0 for any free port
    #[arg(long, value_name = "N", default_value_t = PORT)]
    port: u16,
    /// Address to listen on
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    /// Folder of the cases [default: giemsa in the user's data folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Token that clients must send; the environment variable GIEMSA_TOKEN is safer, because other users see arguments
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Host name by which clients call the server, besides localhost and IP addresses; can be given several times
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Model by its name in the API: NAME=FILE, or NAME=builtin; can be given several times, the default one first
    #[arg(long, value_name = "NAME=MODEL", value_parser = model_source)]
    model: Vec<ModelSource>,
    /// Form of the log on standard error: text or json
    #[arg(long, value_name = "FORM", default_value = "text")]
    log_format: LogFormat,
    /// Log what has at least this level: error, warn, info, debug or trace [default: info; requests that succeed only as json]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<Level>,
}

fn model_source(text: &str) -> Result<ModelSource, String> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=FILE, such as own=run/model.safetensors")?;
    let is_valid = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || !name.chars().all(is_valid) {
        return Err("a name consists of letters, digits, '.', '_' and '-'".to_owned());
    }
    let path = (path != crate::model::BUILTIN).then(|| path.into());
    Ok(ModelSource { name: name.to_owned(), path })
}

/// Runs the server until it is stopped.
pub fn run(args: ServeArgs, context: &Context) -> anyhow::Result<Outcome> {
    let token = args.token.or_else(|| std::env::var("GIEMSA_TOKEN").ok()).filter(|token| !token.is_empty());
    logs::start(args.log_format, args.log_level);
    let login = token.as_deref().map(login_query).unwrap_or_default();
    let default = Settings::default();
    let settings = Settings {
        address: SocketAddr::new(args.address, args.port),
        data: args.data,
        token,
        hosts: args.host,
        models: if args.model.is_empty() { default.models } else { args.model },
        limits: default.limits,
    };
    serve(settings, |address| {
        let page = format!("http://{}", reachable(address));
        // A log must not contain the token.
        print_line(context, &if stdout().is_terminal() { format!("{page}{login}") } else { page.clone() });
        print_note(RESEARCH_ONLY);
        if args.open
            && let Err(error) = open::that(format!("{page}{login}"))
        {
            print_note(format_args!("cannot open a browser: {}", escaped(error)));
        }
    })?;
    Ok(Outcome::Done)
}

/// Returns what follows the address of the page so that a browser is logged in.
fn login_query(token: &str) -> String {
    let encode = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    format!("/?token={}", token.bytes().map(encode).collect::<String>())
}

/// Returns an address at which this machine reaches a server that listens on `address`: on all addresses, the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let loopback = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(loopback, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_encoded_in_an_address() {
        assert_eq!(login_query("aZ9 +/=&é"), "/?token=aZ9%20%2B%2F%3D%26%C3%A9");
    }

    #[test]
    fn all_addresses_are_reached_by_loopback() {
        let reached = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:8417"), "127.0.0.1:8417");
        assert_eq!(reached("[::]:8417"), "[::1]:8417");
        assert_eq!(reached("192.168.1.5:8417"), "192.168.1.5:8417");
    }

    #[test]
    fn a_model_has_a_name_and_a_file() {
        let source = |name: &str, path: Option<&str>| ModelSource { name: name.to_owned(), path: path.map(Into::into) };
        assert_eq!(model_source("own=run/a=b.safetensors"), Ok(source("own", Some("run/a=b.safetensors"))));
        assert_eq!(model_source("compact=builtin"), Ok(source("compact", None)));
        assert!(model_source("run/model.safetensors").is_err() && model_source("a/b=c").is_err());
    }
}
