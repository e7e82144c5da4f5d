//! Requests to the API as the HTTP server hands them over, without a socket.
//! A file named as a resource is that resource's own module of tests.

pub mod house;
mod own;
pub mod pages;
mod scale;
mod sweep;
