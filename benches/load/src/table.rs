//! Rows of results with their goals.

/// What a result is compared with.
enum Goal {
    /// Nothing.
    None,
    /// A speed, which depends on what else the machine does. It is reported only.
    Speed(String, bool),
    /// Something that holds on every machine: a result that does not meet it is a fault of the server.
    Required(String, bool),
}

/// The rows of a table.
#[derive(Default)]
pub struct Table {
    rows: Vec<(String, String, Goal)>,
}

impl Table {
    /// Adds a result without a goal.
    pub fn add(&mut self, name: &str, value: String) {
        self.rows.push((name.to_owned(), value, Goal::None));
    }

    /// Adds a speed and whether it meets its goal.
    pub fn add_speed(&mut self, name: &str, value: String, goal: &str, is_met: bool) {
        self.rows.push((name.to_owned(), value, Goal::Speed(goal.to_owned(), is_met)));
    }

    /// Adds a result that must meet its goal.
    pub fn add_required(&mut self, name: &str, value: String, goal: &str, is_met: bool) {
        self.rows.push((name.to_owned(), value, Goal::Required(goal.to_owned(), is_met)));
    }

    /// Prints the table as Markdown, and returns whether all requirements are met.
    pub fn print(&self) -> bool {
        println!("| measurement | result | goal | met |\n|---|---|---|---|");
        for (name, value, goal) in &self.rows {
            let (goal, met) = match goal {
                Goal::None => ("", ""),
                Goal::Speed(goal, is_met) | Goal::Required(goal, is_met) => {
                    (&goal[..], if *is_met { "yes" } else { "no" })
                }
            };
            println!("| {name} | {value} | {goal} | {met} |");
        }
        self.rows.iter().all(|(.., goal)| !matches!(goal, Goal::Required(_, false)))
    }
}
