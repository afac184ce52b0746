//! Rows of results with their goals.

/// The rows of a table.
#[derive(Default)]
pub struct Table {
    rows: Vec<(String, String, String, Option<bool>)>,
}

impl Table {
    /// Adds a result without a goal.
    pub fn add(&mut self, name: &str, value: String) {
        self.rows.push((name.to_owned(), value, String::new(), None));
    }

    /// Adds a result and whether it meets its goal.
    pub fn add_goal(&mut self, name: &str, value: String, goal: &str, is_met: bool) {
        self.rows.push((name.to_owned(), value, goal.to_owned(), Some(is_met)));
    }

    /// Prints the table as Markdown, and returns whether all goals are met.
    pub fn print(&self) -> bool {
        println!("| measurement | result | goal | met |\n|---|---|---|---|");
        for (name, value, goal, is_met) in &self.rows {
            let met = is_met.map_or("", |is_met| if is_met { "yes" } else { "no" });
            println!("| {name} | {value} | {goal} | {met} |");
        }
        self.rows.iter().all(|row| row.3 != Some(false))
    }
}
