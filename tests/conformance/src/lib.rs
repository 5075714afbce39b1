//! Every promise of the protocol as one scenario, written once and run on every backend.
//!
//! A backend joins by implementing [`World`] (and [`RawWorld`], if bare bytes can be sent to its engines)
//! and writing one line in a test file:
//!
//! ```ignore
//! tofu_conformance::conformance!(my_backend, MyWorld::new());
//! ```
//!
//! That makes one test for each scenario, for instance `my_backend::close::graceful_close_loses_nothing`.
//! [`scenarios!`] is the list of them.
//!
//! # The map
//!
//! | module | concept |
//! |---|---|
//! | `world` | what a scenario needs of a backend |
//! | `app` | the words scenarios are written in |
//! | `wire` | frames by hand, for what no engine would send |
//! | `scenarios` | the promises, by section of the protocol |
//! | `local` | engines that share a thread, under a clock that jumps |
//! | `loopback`, `host`, `smoltcp`, `serial` | the backends |
//! | `tasks` | `host`, received from by async tasks |
//! | `tap` | smoltcp against the kernel |
//! | `board`, `namespace`, `netlink` | what that needs: boards, networks, and the kernel's part in them |
//! | `skip` | tests that need what not every system has |
#![forbid(unsafe_code)]

pub mod app;
#[cfg(target_os = "linux")]
pub mod board;
pub mod host;
pub mod local;
pub mod loopback;
#[cfg(target_os = "linux")]
pub mod namespace;
#[cfg(target_os = "linux")]
mod netlink;
pub mod scenarios;
pub mod serial;
pub mod skip;
pub mod smoltcp;
#[cfg(target_os = "linux")]
pub mod tap;
pub mod tasks;
pub mod wire;
pub mod world;

pub use world::{RawWorld, World};

/// The list of all scenarios: `$run!` gets `$given`, then for each section the scenarios between
/// engines and those that speak bare bytes to one.
#[macro_export]
macro_rules! scenarios {
    ($run:path, $given:tt) => {
        $run! {
            $given
            frame {
                sections_of_every_length_arrive
                header_fields_travel_unchanged
                text_headers_keep_their_order
                smuggled_lines_are_refused
            } {
                header_is_laid_out_as_written
                hello_is_the_first_frame
                peers_channel_number_is_not_ours
                forged_notifications_are_a_peers_messages
                local_bits_are_sent_as_zero
                frames_are_found_in_any_cut
                text_headers_are_read_leniently
                ids_are_the_peers_business
            }
            channels {
                numbers_are_unique_and_in_range
                numbers_are_local_to_an_engine
                closed_channels_leave_nothing_behind
                closed_listeners_leave_nothing_behind
                channels_belong_to_their_group
                engine_connects_to_itself
                many_channels_work_at_once
            } {}
            post_refusals {
                opcode_that_is_the_engines
                response_without_id
                more_on_what_is_not_regular
                no_channel
                unknown_channel
                closed_channel
                another_groups_channel
                longer_than_the_peer_takes
                opening_without_address
                stopping_engine
                accepted_posts_complete_the_header
                fresh_ids_are_unique
                fresh_ids_are_unique_in_the_process
                posts_are_accepted_before_the_connection
            } {
                unannounced_channel
                after_goodbye
            }
            operations {
                welcome_listens
                welcome_to_an_invalid_address
                unknown_scheme
                welcome_to_a_taken_address
                hello_connects
                hello_to_an_invalid_address
                hello_to_nobody
                failed_hello_can_be_repeated
                regular_messages_come_back_only_when_unsent
                bye_request_is_answered
                bye_response_closes
                bye_signal_stops_a_listener
                bye_request_stops_a_listener
                hello_response_is_no_gate
                client_is_turned_away_at_once
                client_is_turned_away_with_a_word
                delivery_is_in_order_both_ways
            } {
                what_comes_back_is_intact
                peers_are_equal_after_hello
            }
            close {
                graceful_close_loses_nothing
                answering_side_loses_nothing
                bye_signal_closes_both_ends
                bye_signal_hands_unsent_messages_back
                every_message_has_one_fate
                crossing_byes_close_both_ends
                bye_signal_behind_a_hello
                goodbye_behind_a_failed_hello
                goodbye_behind_a_welcome
                dropped_group_sends_what_was_posted
                dropped_group_leaves_others_alone
                stop_closes_every_channel
            } {
                no_reset_overtakes_the_last_bytes
                lost_connection_hands_back
                whole_frames_before_a_loss_are_delivered
                bye_signal_overtakes_a_goodbye
                stop_hands_unsent_messages_back
                vanished_peer_closes_the_channel
            }
            timeouts {
                idle_channel_times_out
            } {
                unanswered_bye_times_out
                bye_behind_a_stuck_peer_times_out
                timeouts_need_no_application
                unfinished_frame_times_out
                silence_between_frames_is_no_timeout
                missing_hello_times_out
                dropped_group_does_not_wait_for_ever
            }
            receive {
                receiver_is_woken_without_message
                receiver_is_woken_with_a_message
                wakes_are_received_in_order
                wakes_reach_their_group
                wakes_mix_with_traffic
                peer_and_engine_are_told_apart
                everything_names_its_channel
            } {}
            backpressure {
                dry_pool_is_said_once_per_episode
                every_group_hears_of_the_dry_pool
                notices_need_no_message
                idle_channels_hold_no_message
                application_that_does_not_receive_slows_its_peer
                stalled_group_does_not_stop_another
                flooding_client_does_not_silence_others
                reading_resumes_by_itself
                large_messages_are_not_what_everyone_waits_for
                closed_channel_ends_its_episode
            } {
                half_a_header_holds_no_message
                silent_connections_leave_the_pool_to_others
                channel_holds_at_most_its_share
                echoing_server_is_paced_by_its_slowest_reader
                echoing_server_of_small_messages_is_paced
                large_frame_in_pieces_holds_up_nobody
            }
            limits {
                client_learns_limits_from_the_answer
                early_posts_over_the_limit_cost_only_themselves
                unequal_engines_talk
                announcement_is_visible_to_the_application
            } {
                too_long_frames_are_skipped_with_a_notice
                every_skipped_frame_has_its_notice
                skipping_needs_no_message
                pool_is_a_limit
                hello_request_announces_limits
                hello_response_announces_limits
                announcement_counts_against_the_peers_limits
                full_limits_announce_nothing
                announced_limits_are_honoured
                no_announcement_is_the_maximum
            }
            bounds {
                full_listener_accepts_again_when_a_channel_ends
                listener_has_bounds_of_its_own
                bounds_that_cannot_be_read_are_refused
            } {
                listener_takes_shorter_frames_than_its_engine
                frames_of_too_many_lines_are_thrown_away_with_a_notice
                client_throws_away_frames_of_too_many_lines
                hello_of_too_many_lines_is_closed_without_a_word
            }
            violations {} {
                unknown_opcodes
                welcome_from_the_wire
                second_hello_request
                hello_request_to_a_client
                hello_response_to_a_server
                more_on_what_is_not_regular
                response_without_id
                bye_signal_from_the_wire
                first_frame_is_not_hello
                first_bytes_are_another_protocol
                leaving_before_hello
                stalled_connections_disturb_nobody
            }
            patterns {
                request_response
                streaming_up
                streaming_down
                streaming_both_ways
                progress
                heartbeat
                peers
                many_clients
                several_listeners
                reconnect
            } {}
        }
    };
}

/// Stamps out every scenario as a test of one world.
///
/// Each test makes its own world by evaluating the expression. Where no bare bytes can be sent to an engine,
/// `conformance!(name, world, ignore_bare_bytes = "why")` shows those scenarios as ignored.
#[macro_export]
macro_rules! conformance {
    ($name:ident, $world:expr) => {
        $crate::scenarios!($crate::stamp, { $name, $world, run });
    };
    ($name:ident, $world:expr, ignore_bare_bytes = $why:literal) => {
        $crate::scenarios!($crate::stamp, { $name, $world, $why });
    };
}

/// One world's tests; see [`conformance!`].
#[doc(hidden)]
#[macro_export]
macro_rules! stamp {
    (
        { $name:ident, $world:expr, $bare:tt }
        $($section:ident { $($scenario:ident)* } { $($with_bare_bytes:ident)* })*
    ) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(mod $section {
                #[allow(unused_imports)]
                use super::*;
                $($crate::test!(run, $section, $scenario, $world);)*
                $($crate::test!($bare, $section, $with_bare_bytes, $world);)*
            })*
        }
    };
}

/// One test; see [`conformance!`].
#[doc(hidden)]
#[macro_export]
macro_rules! test {
    (run, $section:ident, $scenario:ident, $world:expr) => {
        #[test]
        fn $scenario() {
            $crate::scenarios::$section::$scenario(&$world);
        }
    };
    ($why:literal, $section:ident, $scenario:ident, $world:expr) => {
        #[test]
        #[ignore = $why]
        fn $scenario() {
            $crate::scenarios::$section::$scenario(&$world);
        }
    };
}
