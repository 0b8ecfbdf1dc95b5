//! What is worked out node by node is what the planner says of all nodes at once.
use crd::plan::{NodeDigest, ReportLine};
use reconcile::NodeInput;

use super::Hand;
use crate::cluster::controller::{
    declared,
    sheet::{lightened, planned, told},
    survey::{Notes, Survey, input},
};

impl Hand {
    /// Compares both, for the world as it is.
    pub(super) fn agrees_with_the_whole_plan(&self) {
        let declaration = declared::declaration(&self.world);
        let survey = Survey::of(&self.world, &declaration, &mut Notes::default());
        let names = self.world.card_nodes.keys();
        let names = names.filter(|name| self.world.nodes.contains_key(*name));
        let inputs: Vec<NodeInput> = names.map(|name| input(&self.world, name)).collect();
        let plan = planned(&declaration, &inputs);
        assert_eq!(survey.order, plan.order);
        let digests: Vec<&NodeDigest> = plan.nodes.iter().map(|node| &node.digest).collect();
        let sheets: Vec<&NodeDigest> = survey.sheets.values().map(|sheet| &sheet.digest).collect();
        assert_eq!(sheets, digests);
        let (of_nodes, alone): (Vec<&ReportLine>, Vec<&ReportLine>) =
            plan.report.iter().partition(|line| line.node.is_some());
        let mut report = told(of_nodes.into_iter());
        report.extend(alone.into_iter().map(lightened));
        report.sort();
        report.dedup();
        assert_eq!(survey.report, report);
        assert_eq!(survey.unsafe_plan, None);
    }
}
