//! Clocks that differ: of two leaders, one after the other, by ten minutes either way.
use crd::kind::GrantState;
use machine::Timestamp;

use super::hand::{Hand, automatic};

const OFF: u64 = 10 * 60 * 1000;

#[test]
fn a_leader_whose_clock_is_ten_minutes_off_goes_on_where_the_other_was() {
    for off in [-1, 1] {
        let mut hand = Hand::new(&automatic());
        let noon = 12 * 60 * 60 * 1000;
        hand.world.now = Timestamp(noon);
        hand.node("n1");
        hand.turn();
        hand.reports("n1");
        for _ in 0..3 {
            hand.turn();
        }
        // Another leads, while n1 is at work.
        hand.world.epoch += 1;
        hand.world.now = Timestamp(if off < 0 { noon - OFF } else { noon + OFF });
        assert_eq!(
            hand.turn(),
            [""; 0],
            "{off}: nothing is halted or told anew"
        );
        hand.ends("n1", GrantState::Converged);
        assert!(
            hand.turn()
                .contains(&"plan 1 Converged n1:Converged".to_owned())
        );
        // And the first again.
        hand.world.epoch += 1;
        hand.world.now = Timestamp(noon + 1000);
        assert_eq!(hand.turn(), ["withdraw n1"]);
    }
}
