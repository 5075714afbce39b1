//! A print server: a spool server (S) hands jobs to RIP workers (R), which turn pages into dots.
//!
//! Before the code there is a conversation. This is all its two developers had to settle:
//!
//! - R connects to S. Its HelloRequest says what it can read, `PDL: PS` or `PDL: PDF`. There is no
//!   HelloResponse: S starts sending, or drops the connection if it has nothing for R.
//! - S sends a job as one Request in many messages; the message id is the job id. The first has
//!   a header `JobTicket` and the ticket as its body, the others a header `PDL` and a page each.
//! - R reports each page by a Signal with the job's id: `Progress: N:M`, page N of M.
//! - R ends with a ByeRequest that carries the final progress. One job per channel; whoever has
//!   time for another one connects again. A job that is not complete when its channel is closed,
//!   with or without a goodbye, goes to the next worker.

use std::collections::{HashMap, HashSet};
use std::thread;
use tofu_examples::{
    Outcome, POOL_EMPTY, address_argument, both_ends, ensure, listen, next_message, receive,
};
use tofu_std::{
    ChannelGroup, ChannelNumber, Engine, Message, Opcode, Received, Status, TextHeaders,
};

/// Id, PDL, pages.
type Job = (u64, &'static str, &'static [&'static str]);

const JOBS: [Job; 3] = [
    (101, "PS", &["(Tofu) show", "showpage"]),
    (102, "PDF", &["%PDF title", "recipe", "index"]),
    (103, "PDF", &["%PDF menu"]),
];

fn main() -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let (_, address) = listen(&group, &address_argument())?;
    println!("S: listening on {address}");
    let server = thread::spawn(move || spool(&group));
    both_ends(run_workers(&address), server)
}

/// The spool server: until every job is printed.
fn spool(group: &ChannelGroup) -> Outcome {
    let mut waiting = Vec::from(JOBS);
    let mut workers: HashMap<ChannelNumber, Job> = HashMap::new();
    let mut printed = HashSet::new();
    while printed.len() < JOBS.len() || !workers.is_empty() {
        match receive(group)? {
            Received::Peer(message) if message.opcode() == Opcode::HelloRequest => {
                let pdl = message.text().get_str("PDL").unwrap_or("nothing");
                match waiting.iter().position(|job| job.1 == pdl) {
                    Some(index) => {
                        let job = waiting.remove(index);
                        workers.insert(message.channel(), job);
                        send_job(group, message.channel(), job)?;
                    }
                    None => turn_away(group, message.channel(), pdl)?,
                }
            }
            Received::Peer(report) => {
                let job = workers.get(&report.channel()).ok_or("no job")?;
                if take_report(group, job, report)? {
                    printed.insert(job.0);
                }
            }
            Received::Notice(notice) if notice.status == Status::ChannelClosed => {
                match workers.remove(&notice.channel) {
                    Some((id, ..)) if printed.contains(&id) => println!("S: job {id} is printed"),
                    Some(job) => {
                        println!("S: job {} goes back to the queue", job.0);
                        waiting.push(job);
                    }
                    None => println!("S: channel {} is closed", notice.channel),
                }
            }
            // Part of a job came back, for its worker is gone. The channel_closed follows.
            Received::Returned(..) | Received::Notice(_) => {}
        }
    }
    Ok(())
}

/// One Request in many messages: the ticket, then the pages.
fn send_job(group: &ChannelGroup, channel: ChannelNumber, job: Job) -> Outcome {
    let (id, pdl, pages) = job;
    println!("S: job {id} ({pdl}) goes to channel {channel}");
    let ticket = format!("PageSize: A4\r\nPages: {}\r\n", pages.len());
    let mut parts = vec![("JobTicket", "PPD", ticket.as_str())];
    parts.extend(pages.iter().map(|page| ("PDL", pdl, *page)));
    for (index, (name, value, body)) in parts.iter().enumerate() {
        let mut part = group.engine().get().ok_or(POOL_EMPTY)?;
        part.prepare(Opcode::Request, channel);
        part.set_id(id);
        part.set_more(index + 1 < parts.len());
        part.add_header(name, value)?;
        part.set_body(body)?;
        // The worker may be gone already. Then its channel_closed is on the way.
        if let Err(refused) = group.post(part) {
            println!("S: {refused}");
        }
    }
    Ok(())
}

/// A ByeSignal drops the connection without a word.
fn turn_away(group: &ChannelGroup, channel: ChannelNumber, pdl: &str) -> Outcome {
    println!("S: no job for channel {channel}, which reads {pdl}");
    let mut bye = group.engine().get().ok_or(POOL_EMPTY)?;
    bye.prepare(Opcode::ByeSignal, channel);
    group.post(bye)?;
    Ok(())
}

/// A Signal, or the ByeRequest with the final progress. True if that is the last page.
fn take_report(group: &ChannelGroup, job: &Job, mut report: Message) -> Outcome<bool> {
    let (id, _, pages) = *job;
    let all = pages.len();
    let progress = report.text().get_str("Progress").ok_or("no progress")?;
    println!("S: job {id}: {} {progress}", report.opcode());
    ensure(report.id() == id, "a report about another job")?;
    if report.opcode() != Opcode::ByeRequest {
        return Ok(false);
    }
    let complete = progress == format!("{all}:{all}");
    report.reply()?;
    group.post(report)?;
    Ok(complete)
}

/// One worker that reads what nobody prints, one that runs out of toner, then one for each job.
fn run_workers(address: &str) -> Outcome {
    let refused = work(address, "PCL", usize::MAX);
    ensure(refused.is_err(), "the PCL worker was not turned away")?;
    work(address, "PDF", 1)?;
    thread::scope(|scope| {
        let workers = JOBS.map(|(_, pdl, _)| scope.spawn(move || work(address, pdl, usize::MAX)));
        for worker in workers {
            worker.join().map_err(|_| "a worker panicked")??;
        }
        Ok(())
    })
}

/// A RIP worker: takes one job, and prints it as far as the toner goes.
fn work(address: &str, pdl: &str, toner: usize) -> Outcome {
    let engine = Engine::new()?;
    let group = engine.group()?;
    let mut hello = engine.get().ok_or(POOL_EMPTY)?;
    hello.connect_to(address)?;
    hello.add_header("PDL", pdl)?;
    group.post(hello)?;

    let (mut page, mut pages) = (0, 0);
    while let Some(mut part) = next_message(&group)? {
        if part.text().get("JobTicket").is_some() {
            let ticket = TextHeaders::new(part.body());
            pages = ticket.get_str("Pages").ok_or("how many pages?")?.parse()?;
            continue;
        }
        let last = pages.min(toner);
        if page == last {
            // After our goodbye: pages we cannot print, then the ByeResponse.
            continue;
        }
        page += 1;
        let content = str::from_utf8(part.body())?;
        println!("R: page {page} of job {}: {content}", part.id());
        // The page becomes the report about itself: channel and id stay.
        match page == last {
            false => part.set_opcode(Opcode::Signal),
            true => part.set_opcode(Opcode::ByeRequest),
        }
        part.set_more(false);
        part.clear();
        part.add_header_display("Progress", format_args!("{page}:{pages}"))?;
        group.post(part)?;
    }
    ensure(page == pages.min(toner), "the goodbye came too early")
}
