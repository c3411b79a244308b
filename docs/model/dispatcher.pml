/* dispatcher.pml: one group on its way, and everything that can go wrong with it.
 *
 * Two worker children (one with two slots, which share a token), the ledger's scripts,
 * the provider, the network, the clock, the reconciler and a person, in every order.
 * What goes wrong costs one of MISHAPS; the checker tries every mixture of so many at
 * every moment. README.md says how to run it, what each switch breaks and what is left
 * out.
 *
 * The inlines from `move` to `cancel` are the scripts of dispatcher/ledger/lua, under
 * their names and in their order; each runs in one step, as Redis runs them.
 */
#ifndef MISHAPS
#define MISHAPS 2                    /* at most 4 */
#endif
#ifndef RESEND
#define RESEND 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

/* Protections that can be switched off, to see that the checker misses each one. */
#define NO_TOKEN_CHECK 1             /* gate.lua: tail == token */
#define NO_SERIAL_CHECK 2            /* gate.lua: serial == r.serial + 1 */
#define UNKNOWN_AS_UNSENT 3          /* judgement.py: no answer is taken for "no" */
#define LAPSE_GATED_AS_UNSENT 4      /* lapse.lua: gated groups go back, too */
#define NOT_SENT_SETTLES_ANY 5       /* settle.lua: unsent of whatever serial */
#define LATE_PROOF_IGNORED 6         /* settle.lua: proof of the newest serial only */
#define EXTRA_KEPT 7                 /* settle.lua: accept without take_extra */
#define NO_DEQUEUE 8                 /* settle.lua: accept without leave */
#define NO_SWEEP 9                   /* clock.py: lapsed claims are left alone */
#define NO_RETIRE 10                 /* jobs.py: a doubtful lease claims on */
#define TWO_JOBS_OF_A_GROUP 11       /* jobs.py: Lease.begin always lets it */
#define NO_PERMIT 12                 /* transport.py: a permit never ends */
#define RESEND_IN_WINDOW 13          /* proof.py: resend_at is at once */

byte broken = BROKEN;
bit resend = RESEND;                 /* Settings.unknown_policy */
byte left = MISHAPS;

#define NONE 0                       /* no token; no serial */
#define SERIALS 7
#define POISON 2                     /* 5 in lapse.lua: so that it is reached */
#define BIT(n) (1 << (n))
#define EACH_SERIAL(option) option(1) option(2) option(3) option(4) option(5) option(6)
#define EACH_TOKEN(option) EACH_SERIAL(option) option(7) option(8)
#define EACH_CALL(option) option(0) option(1) option(2) option(3)

/* ---- dispatcher/ledger/states.py: the states and every legal move. ---- */

#define PENDING 0
#define CLAIMED 1
#define SENDING 2
#define RETRY 3
#define ACCEPTED 4
#define FAILED 5
#define UNKNOWN 6
#define HELD 7
#define CANCELLED 8

#define IN(a, b) (STANDING == a || STANDING == b)
#define IN_DOUBT (STANDING == SENDING || STANDING == UNKNOWN || STANDING == HELD)

/* Event: the state after it, and the states in which it is legal. */
#define CLAIM CLAIMED, IN(PENDING, RETRY)
#define GATE SENDING, IN(CLAIMED, SENDING)
#define RETURN_FRESH PENDING, STANDING == CLAIMED
#define RETURN_TRIED RETRY, STANDING == CLAIMED
#define ACCEPT ACCEPTED, STANDING != ACCEPTED
#define FAIL FAILED, IN_DOUBT
#define TRY_AGAIN RETRY, IN_DOUBT
#define LOSE UNKNOWN, STANDING == SENDING
#define HOLD HELD, STANDING == UNKNOWN
#define ASK RETRY, IN(FAILED, HELD)
#define CANCEL CANCELLED, (IN(PENDING, RETRY) || STANDING == CLAIMED)

/* ---- What Redis holds of the group. ---- */

byte state = PENDING;                /* the record: */
byte serial;
byte tail;                           /*   its token, while it is reserved */
bit gated;                           /*   gated_at is not 0 */
byte crashes;
byte id;                             /*   the serial whose message id it carries */
short extra;                         /* {load}:extra, a set of serials */
bit fresh = 1;                       /* the cursor has not passed it */
bit due;                             /* it is in {load}:due */
bit listed;                          /* it is in `unknown` */
bit cancelled;                       /* the campaign is */
short claims;                        /* tokens whose claim:{token} holds it */
short live, over;                    /* `leases`: tokens by whether theirs has ended */
byte count[9];                       /* the campaign's counters */
byte doubled;

byte first;                          /* scratch, 0 between the steps */

/* ---- parts/base.lua ---- */

#define WAITS (state == PENDING || state == RETRY)
#define STANDING (cancelled && WAITS -> CANCELLED : state)

/* An illegal move stops the script with an error; here it stops the checker. */
inline move(target, is_legal) {
  assert(is_legal);
  count[STANDING]--;
  state = target;
  count[state]++
}

inline queue() { due = 1 }

/* ---- claim.lua ---- */

#define CLAIMABLE (!cancelled && (due || (fresh && state == PENDING)))

inline claim(holder) {
  if
  :: CLAIMABLE ->
     move(CLAIM);
     tail = holder; fresh = 0; due = 0;
     claims = claims | BIT(holder);
     live = live | BIT(holder); over = over & ~BIT(holder)
  :: else
  fi
}

/* ---- gate.lua ---- */

#define IS_TAIL(holder) (tail == holder || broken == NO_TOKEN_CHECK)
#define IS_NEXT(new) ((new) == serial + 1 || broken == NO_SERIAL_CHECK)

#define IS_MINE(holder, new, second) (IS_TAIL(holder) && IS_NEXT(new) \
  && (state == CLAIMED || ((second) && state == SENDING)))
#define PASSES(holder, new, second) (IS_MINE(holder, new, second) && !cancelled)

inline gate(holder, new, second) {
  if
  :: PASSES(holder, new, second) ->
     move(GATE);
     serial = new; gated = 1
  :: else
  fi
}

/* ---- settle.lua ---- */

inline leave() {
  if
  :: state == UNKNOWN || state == HELD -> listed = 0
  :: (WAITS || state == CANCELLED) && broken != NO_DEQUEUE -> due = 0
  :: else
  fi
}

inline change(target, is_legal) {
  leave(); move(target, is_legal); tail = NONE
}

inline keep_extra(said) {
  if
  :: (extra & BIT(said)) == 0 -> extra = extra | BIT(said); doubled++
  :: else
  fi
}

inline take_extra(kept) {
  if
  :: extra & BIT(kept) -> extra = extra & ~BIT(kept); doubled--
  :: else
  fi
}

inline accept(said) {
  change(ACCEPT); id = said
}

/* The serials before the current one that are known to be taken. */
#define EARLIER (extra & (BIT(serial) - 1))

inline settle_by_extra() {
  first = 1;
  do
  :: extra & BIT(first) -> break
  :: else -> first++
  od;
  take_extra(first);
  accept(first);
  first = 0
}

inline waits_again(target, is_legal) {
  change(target, is_legal);
  if
  :: cancelled -> count[state]--; count[CANCELLED]++
  :: else -> queue()
  fi
}

inline accepted(said) {
  if
  :: state == ACCEPTED && id == said
  :: state == ACCEPTED && id != said -> keep_extra(said)
  :: state == SENDING && said != serial -> keep_extra(said)
  :: (state != ACCEPTED && state != SENDING && said != serial
      && broken == LATE_PROOF_IGNORED)
  :: else ->
     if
     :: broken != EXTRA_KEPT -> take_extra(said)
     :: else
     fi;
     accept(said)
  fi
}

#define IS_CURRENT(said) ((said == serial || broken == NOT_SENT_SETTLES_ANY) \
  && (state == SENDING || state == UNKNOWN || state == HELD))

inline unsent(said, is_final) {
  if
  :: !IS_CURRENT(said)
  :: IS_CURRENT(said) && EARLIER -> settle_by_extra()
  :: IS_CURRENT(said) && !EARLIER && is_final -> change(FAIL)
  :: else -> waits_again(TRY_AGAIN)
  fi
}

inline back(holder, said) {
  if
  :: tail == holder && state == CLAIMED && !gated -> waits_again(RETURN_FRESH)
  :: tail == holder && state == CLAIMED && gated -> waits_again(RETURN_TRIED)
  :: tail == holder && state == SENDING -> unsent(said, 0)
  :: else
  fi
}

inline give_up(holder, said) {
  if
  :: tail == holder && state == CLAIMED && said == serial -> change(CANCEL)
  :: else
  fi
}

inline unknown(said) {
  if
  :: state == SENDING && said == serial -> change(LOSE); listed = 1
  :: else
  fi
}

inline hold(said) {
  if
  :: state == UNKNOWN && said == serial && EARLIER -> settle_by_extra()
  :: state == UNKNOWN && said == serial && !EARLIER -> change(HOLD)
  :: else
  fi
}

inline ask(said) {
  if
  :: (state == FAILED || state == HELD) && said == serial -> waits_again(ASK)
  :: else
  fi
}

/* What a worker says of its last serial. The last three take several verdicts. */
mtype:say = { was_accepted, was_failed, was_retry, was_back, was_cancel, was_unknown,
              was_hold, was_ask, gate_lost_back, gate_lost_retry, abandoned }

mtype:say verdict, then;             /* scratch, 0 between the steps */
byte about;

/* The first verdict of what is left to say, in `verdict` and `about`; then the rest. */
inline next_verdict(said) {
  about = said;
  if
  :: then == gate_lost_back -> verdict = was_back; about = said + 1; then = was_back
  :: then == gate_lost_retry -> verdict = was_back; about = said + 1; then = was_retry
  :: then == abandoned && verdict == 0 -> verdict = was_unknown
  :: then == abandoned && verdict != 0 -> about = said + 1; then = was_back
  :: else -> verdict = then; then = 0
  fi
}

inline settle(holder, what, said) {
  then = what;
  do
  :: then == 0 -> break
  :: else ->
     next_verdict(said);
     if
     :: verdict == was_accepted -> accepted(about); reported = reported | BIT(about)
     :: verdict == was_failed -> unsent(about, 1)
     :: verdict == was_retry -> unsent(about, 0)
     :: verdict == was_back -> back(holder, about)
     :: verdict == was_cancel -> give_up(holder, about)
     :: verdict == was_unknown -> unknown(about)
     :: verdict == was_hold -> hold(about)
     :: verdict == was_ask -> ask(about)
     fi
  od;
  verdict = 0; about = 0;
  if
  :: tail == holder && (state == CLAIMED || state == SENDING)
  :: else -> claims = claims & ~BIT(holder)
  fi
}

/* ---- lapse.lua; `mine`: its owner gives it back. ---- */

inline give_back() {
  if
  :: gated -> move(RETURN_TRIED)
  :: else -> move(RETURN_FRESH)
  fi;
  if
  :: cancelled -> count[state]--; count[CANCELLED]++
  :: else -> queue()
  fi;
  tail = NONE
}

inline take_back(mine) {
  if
  :: state == CLAIMED ->
     if
     :: !mine ->
        crashes++;
        serial++
     :: else
     fi;
     if
     :: crashes >= POISON -> move(CANCEL); tail = NONE
     :: else -> give_back()
     fi
  :: state == SENDING && broken == LAPSE_GATED_AS_UNSENT ->
     move(TRY_AGAIN); queue(); tail = NONE
  :: state == SENDING && broken != LAPSE_GATED_AS_UNSENT ->
     move(LOSE); listed = 1; tail = NONE
  :: else
  fi
}

inline lapse(holder, mine) {
  if
  :: (claims & BIT(holder)) && tail == holder -> take_back(mine)
  :: else
  fi;
  claims = claims & ~BIT(holder);
  live = live & ~BIT(holder); over = over & ~BIT(holder)
}

/* control.lua */
inline cancel() {
  count[CANCELLED] = count[CANCELLED] + count[PENDING] + count[RETRY];
  count[PENDING] = 0; count[RETRY] = 0;
  cancelled = 1; fresh = 0; due = 0
}

/* ---- What happened: for the properties only. ---- */

byte prov[SERIALS];                  /* serial -> what became of its message: */
#define UNWRITTEN 0
#define ON_WIRE 1
#define TAKEN 2
#define REFUSED 3
#define ERROR 4
#define DROPPED 5
byte taken;                          /* messages that the provider took */
short reported;                      /* serials that were proven taken */
bit asked;                           /* a person wanted it sent again */
bit lied;                            /* a search missed what the provider has */

#define MISHAP left > 0
inline mishap() { left-- }

/* ---- Calls whose replies nobody awaits and that may yet run. ---- */

#define CALLS 4
mtype:script = { claim_call, gate_call, settle_call }
typedef Call { mtype:script script; byte token; byte serial; bit again; mtype:say say }
Call late[CALLS];

inline keep_call(which, its_token, its_serial, is_again, its_say) {
  do
  :: late[n].script == 0 -> break
  :: else -> n++
  od;
  late[n].script = which; late[n].token = its_token; late[n].serial = its_serial;
  late[n].again = is_again; late[n].say = its_say;
  n = 0
}

inline forget_call(c) {
  late[c].script = 0; late[c].token = 0; late[c].serial = 0; late[c].again = 0;
  late[c].say = 0
}

inline run_call(c) {
  if
  :: late[c].script == claim_call -> claim(late[c].token)
  :: late[c].script == gate_call -> gate(late[c].token, late[c].serial, late[c].again)
  :: late[c].script == settle_call ->
     settle(late[c].token, late[c].say, late[c].serial)
  fi
}

/* ---- Worker children: workers/shifts.py, jobs.py, sending.py. ---- */

mtype:at = { idle, has_claim, has_permit, has_written, is_unsent, settles }
typedef Job {
  mtype:at at; byte token; byte serial; bit not_sent; bit permit; mtype:say say
}
Job job[3];

#define CHILD(slot) ((slot) / 2)     /* slots 0 and 1, and slot 2 */
byte token_of[2];                    /* the token a child claims under */
short retired[2];                    /* its former ones */
byte next_token = 3;

inline end_job(slot) {
  job[slot].at = idle; job[slot].token = NONE; job[slot].serial = 0;
  job[slot].not_sent = 0; job[slot].permit = 0; job[slot].say = 0
}

/* jobs.py Lease.doubtful, shifts.py _retire_doubtful: no further job begins under a
 * token one of whose calls may yet run. */
inline retire(w, holder) {
  if
  :: token_of[w] == holder && broken != NO_RETIRE ->
     retired[w] = retired[w] | BIT(holder);
     token_of[w] = next_token; next_token++
  :: else
  fi
}

inline settling(slot, what) {
  job[slot].at = settles; job[slot].permit = 0; job[slot].say = what
}

/* sending.py _hand_back, _later */
inline hand_back(slot) {
  if
  :: job[slot].not_sent -> settling(slot, was_retry)
  :: else -> settling(slot, was_back)
  fi
}

#define HAS(slot, t) (job[slot].token == (t))
#define HELD_BY(w, t) \
  ((w) == 0 && (HAS(0, t) || HAS(1, t)) || (w) == 1 && HAS(2, t))

#define MAY_START (!HELD_BY(CHILD(slot), TOKEN) || broken == TWO_JOBS_OF_A_GROUP)

#define MY job[slot]
/* Slots 0 and 1 are alike: trying both first would only be twice the work. */
#define MAY_CLAIM (MY.at == idle && CLAIMABLE && (slot != 1 || job[0].at != idle))
#define TOKEN token_of[CHILD(slot)]
#define MAY_PASS PASSES(MY.token, MY.serial + 1, MY.not_sent)
#define ask_gate() gate(MY.token, MY.serial + 1, MY.not_sent)

proctype Slot(byte slot) {
  byte n;
  bit is_told;
end:
  do
  /* shifts.py _start: never two jobs of one group under one token. */
  :: atomic { MAY_CLAIM && MAY_START ->
       d_step { claim(TOKEN);
         MY.at = has_claim; MY.token = TOKEN; MY.serial = serial } }
  :: atomic { MAY_CLAIM && !(MAY_START) ->
       d_step { claim(TOKEN); retire(CHILD(slot), TOKEN) } }
  :: atomic { MAY_CLAIM && MISHAP -> mishap();
       if
       :: d_step { claim(TOKEN) }
       :: d_step { keep_call(claim_call, TOKEN, 0, 0, 0) }
       :: true                       /* it never runs */
       fi;
       d_step { retire(CHILD(slot), TOKEN) } }

  /* sending.py _pass_gate */
  :: atomic { MY.at == has_claim && MAY_PASS ->
       d_step { ask_gate();
         MY.at = has_permit; MY.permit = 1; MY.serial++; MY.not_sent = 0 } }
  :: atomic { MY.at == has_claim && !MAY_PASS -> hand_back(slot) }
  /* Buckets in debt, a pause after 429, a lock: later. */
  :: atomic { MY.at == has_claim && MISHAP -> mishap(); hand_back(slot) }
  /* Everybody in it has opted out. */
  :: atomic { MY.at == has_claim && !MY.not_sent && MISHAP -> mishap();
       settling(slot, was_cancel) }
  :: atomic { MY.at == has_claim && MISHAP -> mishap();
       if
       :: d_step { ask_gate() }
       :: d_step { keep_call(gate_call, MY.token, MY.serial + 1, MY.not_sent, 0) }
       :: true
       fi;
       d_step {
         retire(CHILD(slot), MY.token);
         if
         :: MY.not_sent -> settling(slot, gate_lost_retry)
         :: else -> settling(slot, gate_lost_back)
         fi } }

  /* transport.py: a permit that ended leads to NotWritten. */
  :: atomic { MY.at == has_permit && MY.permit && MISHAP -> mishap(); MY.permit = 0 }
  :: atomic { MY.at == has_permit && !MY.permit ->
       MY.at = is_unsent; MY.not_sent = 1 }
  :: atomic { MY.at == has_permit && (MY.permit || broken == NO_PERMIT) ->
       assert(prov[MY.serial] == UNWRITTEN);
       MY.at = has_written;
       if
       :: prov[MY.serial] = TAKEN; taken++
       :: MISHAP -> mishap(); prov[MY.serial] = REFUSED
       :: MISHAP -> mishap(); prov[MY.serial] = ERROR
       :: MISHAP -> mishap(); prov[MY.serial] = DROPPED
       /* It matters only to those who send again. */
       :: resend && MISHAP -> mishap(); prov[MY.serial] = ON_WIRE
       fi }

  /* judgement.py, retry.py: what an answer means and what follows. */
  :: atomic { MY.at == has_written && prov[MY.serial] == TAKEN ->
       settling(slot, was_accepted) }
  :: atomic { MY.at == has_written && prov[MY.serial] == REFUSED ->
       settling(slot, was_failed) }
  :: atomic { MY.at == has_written && prov[MY.serial] == ERROR ->
       MY.at = is_unsent; MY.not_sent = 1; MY.permit = 0 }
  :: atomic { MY.at == has_written && prov[MY.serial] == DROPPED ->
       settling(slot, was_unknown) }
  /* The deadline, or the answer got lost: whatever the provider did. */
  :: atomic { MY.at == has_written && MISHAP -> mishap();
       if
       :: broken == UNKNOWN_AS_UNSENT -> settling(slot, was_retry)
       :: else -> settling(slot, was_unknown)
       fi }
  /* Proven unsent: a quick second try (quick_retrying), or the ledger's queue. */
  :: atomic { MY.at == is_unsent -> MY.at = has_claim }
  :: atomic { MY.at == is_unsent -> hand_back(slot) }

  /* jobs.py until_taken: said again until it is told that it was taken. */
  :: atomic { MY.at == settles ->
       if
       :: is_told = 1
       :: MISHAP -> mishap()
       fi;
       d_step {
         settle(MY.token, MY.say, MY.serial);
         if
         :: is_told -> end_job(slot); is_told = 0
         :: else
         fi } }
  :: atomic { MY.at == settles && MISHAP -> mishap();
       d_step { keep_call(settle_call, MY.token, MY.serial, 0, MY.say) } }

  /* sending.py _abandon: a fault of our own code. */
  :: atomic { MY.at != idle && MY.at != settles && MISHAP -> mishap();
       settling(slot, abandoned) }
  /* shifts.py _run: not even that could be recorded. */
  :: atomic { MY.at == settles && MISHAP -> mishap();
       d_step { retire(CHILD(slot), MY.token); end_job(slot) } }
  od
}

inline gone(w) {
  token_of[w] = next_token; next_token++; retired[w] = 0;
  if
  :: w == 0 -> end_job(0); end_job(1)
  :: else -> end_job(2)
  fi
}

#define IS_RETIRED(w, t) ((retired[w] & BIT(t)) && !HELD_BY(w, t))
#define TO_RETURN(n) :: IS_RETIRED(w, n) -> t = n

proctype Child(byte w) {
  byte t;
end:
  do
  /* shifts.py _return_retired */
  :: atomic {
       if
       EACH_TOKEN(TO_RETURN)
       fi;
       d_step { lapse(t, 1); retired[w] = retired[w] & ~BIT(t); t = 0 } }
  /* kill -9; another child takes its place. */
  :: atomic { MISHAP -> mishap(); d_step { gone(w) } }
  /* shifts.py close: a stop that broke its jobs off. */
  :: atomic { MISHAP -> mishap(); d_step { lapse(token_of[w], 1); gone(w) } }
  od
}

/* ---- The network. ---- */

#define TO_RUN(n) :: late[n].script -> c = n

proctype Network() {
  byte c;
end:
  do
  :: atomic {
       if
       EACH_CALL(TO_RUN)
       fi;
       d_step { run_call(c); forget_call(c); c = 0 } }
  od
}

/* ---- The provider. ---- */

/* What was slow on its way. */
#define ARRIVES(s) :: atomic { prov[s] == ON_WIRE -> prov[s] = TAKEN; taken++ }
/* A callback with our tag: at any time, again and again, or never. */
#define IS_NEWS(s) \
  (!(reported & BIT(s)) || (state != ACCEPTED && state != SENDING))
#define TO_CALL_BACK(n) :: prov[n] == TAKEN && IS_NEWS(n) -> s = n

proctype Provider() {
  byte s;
end:
  do
  EACH_SERIAL(ARRIVES)
  :: atomic {
       if
       EACH_SERIAL(TO_CALL_BACK)
       fi;
       d_step { settle(NONE, was_accepted, s); s = 0 } }
  od
}

/* ---- The clock, the reconciler, a person. ---- */

#define IS_LIVE(t) (live & BIT(t))
#define IS_OVER(t) (over & BIT(t))
#define IS_HELD(t) (HAS(0, t) || HAS(1, t) || HAS(2, t))
#define ENDS(t) live = live & ~BIT(t); over = over | BIT(t)
/* A lease nobody renews ends by itself. One that is renewed ends when its holder is
 * stopped, or cut off, for longer than the lease. */
#define LEASE_ENDS(t) :: atomic { IS_LIVE(t) && !IS_HELD(t) -> ENDS(t) } \
  :: atomic { IS_LIVE(t) && IS_HELD(t) && MISHAP -> mishap(); ENDS(t) }
/* renew.lua */
#define IS_RENEWED(t) :: atomic { IS_OVER(t) && IS_HELD(t) -> \
  over = over & ~BIT(t); live = live | BIT(t) }
/* clock.py _take_back */
#define TO_SWEEP(n) :: IS_OVER(n) && broken != NO_SWEEP -> t = n

proctype Clock() {
  byte t;
end:
  do
  EACH_TOKEN(LEASE_ENDS)
  EACH_TOKEN(IS_RENEWED)
  :: atomic {
       if
       EACH_TOKEN(TO_SWEEP)
       fi;
       d_step { lapse(t, 0); t = 0 } }
  od
}

/* proof.py Case.resend_at: not before nothing of that serial can arrive any more. */
#define MAY_ARRIVE(slot) (job[slot].permit && job[slot].serial == serial)
#define MAY_SEARCH (!resend || broken == RESEND_IN_WINDOW || prov[serial] != ON_WIRE \
  && !MAY_ARRIVE(0) && !MAY_ARRIVE(1) && !MAY_ARRIVE(2))

mtype:found = { proof, absent, unclear }

/* reconcile.py _resolve: a search, then a decision, which may be stale by then. */
proctype Reconciler() {
  byte looked;
  mtype:found found;
  mtype:say decided;
end:
  do
  :: atomic { !looked && state == UNKNOWN && listed && MAY_SEARCH ->
       looked = serial;
       if
       :: prov[serial] == TAKEN -> found = proof
       :: prov[serial] != TAKEN -> found = absent
       :: MISHAP -> mishap(); found = unclear
       /* The index lags longer than the grace time. */
       :: prov[serial] == TAKEN && MISHAP -> mishap(); found = absent; lied = 1
       fi }
  /* proof.py decide */
  :: atomic { looked ->
       if
       :: found == proof -> decided = was_accepted
       :: found == absent && resend -> decided = was_retry
       :: found == absent && !resend || found == unclear -> decided = was_hold
       fi;
       d_step { settle(NONE, decided, looked); looked = 0; found = 0; decided = 0 } }
  od
}

proctype Person() {
  mtype:say wish;
end:
  do
  /* dispatcher retry --held | --failed; resolve --not-sent */
  :: atomic { (state == HELD || state == FAILED) && MISHAP -> mishap(); asked = 1;
       if
       :: wish = was_ask
       :: state == HELD -> wish = was_retry
       fi;
       d_step { settle(NONE, wish, serial); wish = 0 } }
  /* dispatcher cancel */
  :: atomic { !cancelled && MISHAP -> mishap(); d_step { cancel() } }
  od
}

/* ---- What must hold. ---- */

/* Promise 2: nobody gets it twice, unless a person asked for it or a search missed what
 * the provider has and the policy believes it. */
#define NEVER_TWICE (taken <= 1 || asked || (resend && lied))

/* Promise 1: when nothing moves any more, it is final. */
#define IS_FINAL (STANDING == ACCEPTED || STANDING == FAILED || STANDING == HELD \
                  || STANDING == CANCELLED)

/* Promise 8: the counters say what the record says. */
#define ALL_COUNTED (count[0] + count[1] + count[2] + count[3] + count[4] + count[5] \
                     + count[6] + count[7] + count[8])
#define BOOKS_BALANCE (count[STANDING] == 1 && ALL_COUNTED == 1)

/* What was proven once is never forgotten, and counts once. */
#define KNOWN (extra | (id -> BIT(id) : 0))
#define TRUTH_IS_KEPT ((reported & ~KNOWN) == 0 && !(id && (extra & BIT(id))) \
  && (!reported || state == ACCEPTED || state == SENDING || state == UNKNOWN))

/* What waits is where a claim finds it, what is unknown where it is looked for, and
 * what is reserved where a sweep finds it. */
#define NOTHING_IS_MISLAID ((!WAITS || cancelled || CLAIMABLE) \
  && (state != UNKNOWN || listed) \
  && ((state != CLAIMED && state != SENDING) \
      || ((claims & BIT(tail)) && ((live | over) & BIT(tail)))))

proctype Judge() {
  do
  :: atomic { !(NEVER_TWICE) -> assert(NEVER_TWICE) }
  :: atomic { !(BOOKS_BALANCE) -> assert(BOOKS_BALANCE) }
  :: atomic { !(TRUTH_IS_KEPT) -> assert(TRUTH_IS_KEPT) }
  :: atomic { !(NOTHING_IS_MISLAID) -> assert(NOTHING_IS_MISLAID) }
  :: timeout -> assert(IS_FINAL); break
  od
}

/* The environment may say what to check, so that the checker is built only once. */
c_decl {
  \#include <stdlib.h>
  static int setting(const char *name, int preset) {
    return getenv(name) ? atoi(getenv(name)) : preset;
  }
}

init {
  atomic {
    c_code {
      now.left = setting("MISHAPS", now.left);
      now.resend = setting("RESEND", now.resend);
      now.broken = setting("BROKEN", now.broken);
    };
    count[PENDING] = 1;
    token_of[0] = 1; token_of[1] = 2;
    end_job(0); end_job(1); end_job(2);
    run Slot(0); run Slot(1); run Slot(2); run Child(0); run Child(1);
    run Network(); run Provider(); run Clock(); run Reconciler(); run Person();
    run Judge()
  }
}
