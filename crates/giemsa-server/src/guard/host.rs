//! The host that a request names, against DNS rebinding: a page of another site whose name has been pointed at this server
//! sends that name.

use crate::problem::Problem;
use axum::extract::Request;
use axum::http::header;
use axum::http::uri::Authority;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Returns the host and the port that a request names; `None` if it names none, or several.
pub fn authority_of(request: &Request) -> Option<Authority> {
    let mut values = request.headers().get_all(header::HOST).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let authority = Authority::try_from(value.as_bytes()).ok()?;
    (!authority.as_str().contains('@')).then_some(authority)
}

/// Checks that a request names localhost, an IP address, or one of `hosts`.
pub fn check(request: &Request, hosts: &[String]) -> Result<(), Problem> {
    let authority = authority_of(request).ok_or_else(|| Problem::forbidden("the request names no valid host"))?;
    let of_address = request.uri().authority().map_or(authority.host(), Authority::host);
    for host in [authority.host(), of_address] {
        if !is_allowed(host, hosts) {
            return Err(Problem::forbidden(format!("the server is not set up to be called by the host name '{host}'")));
        }
    }
    Ok(())
}

fn is_allowed(host: &str, hosts: &[String]) -> bool {
    let in_brackets = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_address = match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    };
    is_address || host.eq_ignore_ascii_case("localhost") || hosts.iter().any(|name| name.eq_ignore_ascii_case(host))
}
