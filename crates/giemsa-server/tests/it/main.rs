//! Tests of the server. Most requests go to the router, without a socket.

mod cells;
mod guard_login;
mod guard_requests;
mod guard_shutdown;
mod guard_sockets;
mod request;
mod socket;
