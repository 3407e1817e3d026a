//! Counts the words on its standard input.
use std::io::Read;

fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("--version") => println!("cli {}", option_env!("RELEASE_VERSION").unwrap_or("dev")),
        Some("--help") => println!("usage: cli < FILE\nCounts words."),
        _ => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            println!("{}", text.split_whitespace().count());
        }
    }
    Ok(())
}
