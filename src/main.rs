//! The `xenblocks` program: see `xenblocks --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match xenblocks::cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            xenblocks::cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}
