//! The requests of each client that are in work, so that one client cannot take the whole server.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The number of requests in work per client address.
pub struct Clients {
    most: usize,
    in_work: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// The place of a request, which is free when it is dropped.
pub struct Place {
    client: IpAddr,
    in_work: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Clients {
    /// Returns clients that may have `most` requests in work each.
    pub fn new(most: usize) -> Clients {
        Clients { most, in_work: Arc::default() }
    }

    /// Takes a place for a request; `None` if the client has none left.
    pub fn enter(&self, address: IpAddr) -> Option<Place> {
        let client = network_of(address);
        let mut in_work = self.in_work.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = in_work.entry(client).or_default();
        if *requests >= self.most {
            return None;
        }
        *requests += 1;
        Some(Place { client, in_work: self.in_work.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut in_work = self.in_work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = in_work.get_mut(&self.client) {
            *requests -= 1;
            if *requests == 0 {
                in_work.remove(&self.client);
            }
        }
    }
}

/// Returns what counts as one client: an IPv4 address, or the network of 64 bits that one subscriber of IPv6 has.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_places() {
        let clients = Clients::new(2);
        let enter = |address: &str| clients.enter(address.parse().unwrap());
        let first = enter("10.0.0.1");
        let _second = enter("::ffff:10.0.0.1");
        assert!(first.is_some() && enter("10.0.0.1").is_none() && enter("10.0.0.2").is_some());
        drop(first);
        assert!(enter("10.0.0.1").is_some());
        assert_eq!(clients.in_work.lock().unwrap().len(), 1, "clients without requests are forgotten");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let clients = Clients::new(1);
        let enter = |address: &str| clients.enter(address.parse().unwrap());
        let _first = enter("2001:db8::1");
        assert!(enter("2001:db8::2").is_none() && enter("2001:db8:0:1::1").is_some());
    }
}
