package io.experimentetl.local.traffic;

import static io.experimentetl.local.traffic.TrafficCatalogue.EXPERIMENTS;
import static io.experimentetl.local.traffic.TrafficCatalogue.UNKNOWN_EXPERIMENT;
import static io.experimentetl.local.traffic.Write.Kind.DELETE_EVENT;
import static io.experimentetl.local.traffic.Write.Kind.ENROL;
import static io.experimentetl.local.traffic.Write.Kind.ERASE_USER;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_ASSIGNMENT;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_EVENT;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_OUTBOX;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_USER;
import static io.experimentetl.local.traffic.Write.Kind.MOVE_EVENT;
import static io.experimentetl.local.traffic.Write.Kind.REASSIGN;
import static io.experimentetl.local.traffic.Write.Kind.UPDATE_EVENT;
import static io.experimentetl.local.traffic.Write.Kind.UPDATE_EXPERIMENT;
import static io.experimentetl.local.traffic.Write.Kind.UPDATE_USER;

import io.experimentetl.local.traffic.TrafficCatalogue.Experiment;
import io.experimentetl.local.traffic.TrafficCatalogue.Variant;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.UUID;
import java.util.function.LongFunction;

/**
 * One writer's traffic, transaction by transaction: users arrive, are assigned, see variants,
 * convert and buy, with the faults of real platforms in between. The plan and the lane determine
 * every row.
 */
final class TrafficLane implements Lane {
  private static final int EVENTS_PER_TRANSACTION = 50;
  private static final int REMEMBERED_EVENTS = 256;
  private final TrafficPlan plan;
  private final int lane;
  private final SplittableRandom random;
  private final TrafficTexts texts;
  private final LongFunction<Instant> times;
  private final List<TrafficUser> users = new ArrayList<>();
  private final List<TrafficEvent> remembered = new ArrayList<>();
  private final List<Runnable> later = new ArrayList<>();

  private long usersMade;
  private long assignmentsMade;
  private long eventsMade;
  private TrafficTransaction transaction = new TrafficTransaction();

  TrafficLane(TrafficPlan plan, int lane, InstantSource clock) {
    this.plan = plan;
    this.lane = lane;
    this.times = plan.times(lane, clock);
    this.random = new SplittableRandom(plan.seed() * 1_000_003 + lane);
    this.texts = new TrafficTexts(random);
  }

  @Override
  public List<Write> next() {
    if (remaining() == 0) {
      return List.of();
    }
    transaction = new TrafficTransaction();
    List<Runnable> due = List.copyOf(later);
    later.clear();
    due.forEach(Runnable::run);
    long goal = eventsMade + Math.min(EVENTS_PER_TRANSACTION, remaining());
    while (eventsMade < goal) {
      visit();
    }
    change();
    return transaction.inOrder();
  }

  private long remaining() {
    return plan.eventsOf(lane) - eventsMade;
  }

  private void visit() {
    Instant now = now();
    TrafficUser user = users.isEmpty() || perMille(120) ? newUser(now) : someUser();
    Experiment experiment = EXPERIMENTS.get(random.nextInt(EXPERIMENTS.size()));
    TrafficUser.Assignment assignment = user.assignments.get(experiment.id());
    if (assignment == null && (experiment.runsAt(now, plan.until()) || perMille(50))) {
      if (perMille(5)) {
        // The event overtakes the assignment; sometimes the assignment never comes.
        Variant variant = assignedVariant(experiment);
        expose(user, experiment, variant.id(), null, now);
        if (perMille(700)) {
          later.add(
              () -> {
                if (user.present && !user.assignments.containsKey(experiment.id())) {
                  assign(user, experiment, variant, now);
                }
              });
        }
        return;
      }
      assignment = assign(user, experiment, assignedVariant(experiment), now);
    }
    if (assignment == null) {
      return;
    }
    session(user, experiment, assignment, now);
  }

  private void session(
      TrafficUser user, Experiment experiment, TrafficUser.Assignment assignment, Instant now) {
    Instant assignedAt = assignment.assignedAt;
    Variant variant = assignment.variant;
    if (perMille(8)) {
      // Before the user is seen in a variant, or even assigned.
      convert(user, experiment, variant.id(), assignedAt, now.minusSeconds(random.nextInt(7_200)));
    }
    int exposures = 1 + (perMille(300) ? 1 : 0);
    for (int i = 0; i < exposures; i++) {
      expose(
          user, experiment, delivered(experiment, variant), assignedAt, now.plusMillis(250L * i));
    }
    if (assignment.enrolledAt == null && perMille(150)) {
      enrol(user, experiment, assignment, now);
    }
    if (perMille(variant.conversionPerMille())) {
      convert(
          user, experiment, variant.id(), assignedAt, now.plusSeconds(30 + random.nextInt(600)));
      if (perMille(500)) {
        purchase(
            user,
            experiment,
            variant.id(),
            assignedAt,
            now.plusSeconds(40 + random.nextInt(1_200)));
      }
    }
    if (perMille(60)) {
      event(
          user,
          perMille(50) ? UNKNOWN_EXPERIMENT : experiment.id(),
          null,
          "page_view",
          null,
          "{\"path\": \"/\"}",
          now);
    }
  }

  /** The variant that the client reports: nearly always the assigned one. */
  private Long delivered(Experiment experiment, Variant assigned) {
    int dice = random.nextInt(1_000);
    if (dice < 10) {
      List<Variant> variants = experiment.variants();
      return variants.get((variants.indexOf(assigned) + 1) % variants.size()).id();
    }
    if (dice < 20) {
      return null;
    }
    if (dice < 22) {
      return EXPERIMENTS
          .get((EXPERIMENTS.indexOf(experiment) + 1) % EXPERIMENTS.size())
          .variants()
          .get(0)
          .id();
    }
    return dice < 23 ? Long.valueOf(UNKNOWN_EXPERIMENT) : Long.valueOf(assigned.id());
  }

  private void expose(
      TrafficUser user, Experiment experiment, Long variant, Instant assignedAt, Instant time) {
    event(
        user,
        experiment.id(),
        variant,
        "exposure",
        assignedAt,
        perMille(500) ? null : "{\"page\": \"" + experiment.key() + "\"}",
        time);
  }

  private void convert(
      TrafficUser user, Experiment experiment, Long variant, Instant assignedAt, Instant time) {
    event(
        user,
        experiment.id(),
        variant,
        "conversion",
        assignedAt,
        "{\"step\": " + random.nextInt(5) + "}",
        time);
  }

  private void purchase(
      TrafficUser user, Experiment experiment, Long variant, Instant assignedAt, Instant time) {
    event(user, experiment.id(), variant, "purchase", assignedAt, texts.purchaseProperties(), time);
  }

  /** One event, with the faults of a network and of a client's clock. */
  private void event(
      TrafficUser user,
      long experiment,
      Long variant,
      String type,
      Instant assignedAt,
      String properties,
      Instant time) {
    Instant at = time;
    if (perMille(30)) {
      at = at.minusSeconds(random.nextInt(perMille(100) ? 5 * 86_400 : 6 * 3_600));
    } else if (perMille(1)) {
      at = plan.until().isAfter(at) ? plan.until() : at;
      at = at.plus(Duration.ofMinutes(10 + random.nextInt(2_000)));
    }
    TrafficEvent event =
        new TrafficEvent(
            new UUID(random.nextLong(), random.nextLong()).toString(),
            user,
            experiment,
            variant,
            type,
            assignedAt,
            properties,
            "s-" + random.nextInt(1 << 20),
            micros(at));
    insert(event);
    if (perMille(10)) {
      Instant again = event.time().plusSeconds(1 + random.nextInt(60));
      insert(
          perMille(300)
              ? event.with(
                  type.equals("purchase") ? "{\"revenue\": 1}" : "{\"conflict\": true}", again)
              : event.with(properties, again));
    }
  }

  private void insert(TrafficEvent e) {
    if (remaining() == 0) {
      return;
    }
    eventsMade++;
    transaction.events.add(
        Write.of(
            INSERT_EVENT,
            e.id(),
            e.time().toString(),
            e.experiment(),
            e.user().id,
            e.variant(),
            e.type(),
            text(e.assignedAt()),
            e.properties(),
            e.session(),
            "r-" + eventsMade));
    if (perMille(50)) {
      outbox(
          e.user().id,
          "event",
          "EVENT_CREATED",
          texts.eventPayload(e.id(), e.type(), e.time()),
          e.time());
    }
    if (remembered.size() < REMEMBERED_EVENTS) {
      remembered.add(e);
    } else {
      remembered.set(random.nextInt(REMEMBERED_EVENTS), e);
    }
  }

  private void outbox(
      String aggregate, String aggregateType, String type, String payload, Instant time) {
    transaction.outbox.add(
        Write.of(INSERT_OUTBOX, aggregate, aggregateType, type, payload, time.toString()));
  }

  private TrafficUser newUser(Instant now) {
    return join(new TrafficUser("u" + plan.seed() + "-" + lane + "-" + usersMade++), now);
  }

  private TrafficUser join(TrafficUser user, Instant now) {
    users.add(user);
    transaction.users.add(
        Write.of(
            INSERT_USER,
            user.id,
            perMille(900) ? user.id + "@example.org" : null,
            "User " + user.id,
            texts.userProperties(),
            true,
            micros(now).toString(),
            micros(now).toString()));
    return user;
  }

  /** Half of the visits follow Zipf's law over the users in order of arrival, half are uniform. */
  private TrafficUser someUser() {
    int n = users.size();
    int rank =
        random.nextBoolean()
            ? random.nextInt(n)
            : (int) (Math.exp(random.nextDouble() * Math.log(n + 1.0)) - 1);
    return users.get(Math.min(rank, n - 1));
  }

  private Variant assignedVariant(Experiment experiment) {
    int dice = random.nextInt(1_000);
    for (Variant variant : experiment.variants()) {
      dice -= variant.sharePerMille();
      if (dice < 0) {
        return variant;
      }
    }
    throw new IllegalStateException("the shares of " + experiment.key() + " don't add up to 1000");
  }

  private TrafficUser.Assignment assign(
      TrafficUser user, Experiment experiment, Variant variant, Instant now) {
    long id = assignmentsMade++ * plan.lanes() + lane + 1;
    Instant at = micros(now.minusMillis(random.nextInt(2_000)));
    int dice = random.nextInt(1_000);
    String source = dice < 20 ? "override" : dice < 30 ? "forced" : dice < 60 ? "api" : "hash";
    TrafficUser.Assignment assignment = new TrafficUser.Assignment(idBase() + id, variant, at);
    if (perMille(200)) {
      assignment.enrolledAt = at;
    }
    user.assignments.put(experiment.id(), assignment);
    transaction.assignments.add(
        Write.of(
            INSERT_ASSIGNMENT,
            assignment.id,
            experiment.id(),
            user.id,
            variant.id(),
            1,
            source,
            perMille(300) ? null : "{\"bucket\": " + random.nextInt(10_000) + "}",
            at.toString(),
            text(assignment.enrolledAt),
            at.toString(),
            at.toString()));
    outbox(
        Long.toString(assignment.id),
        "assignment",
        "ASSIGNMENT_CREATED",
        "{\"id\": " + assignment.id + ", \"variant_id\": " + variant.id() + "}",
        at);
    return assignment;
  }

  /** Keeps the assignment ids of two plans apart; seeds are small numbers. */
  private long idBase() {
    return Math.floorMod(plan.seed(), 1_000L) * 100_000_000L;
  }

  private void enrol(
      TrafficUser user, Experiment experiment, TrafficUser.Assignment assignment, Instant now) {
    assignment.enrolledAt = micros(now);
    String at = assignment.enrolledAt.toString();
    transaction.changes.add(Write.of(ENROL, at, at, assignment.id));
    outbox(
        Long.toString(assignment.id),
        "assignment",
        "ASSIGNMENT_ENROLLED",
        "{\"id\": "
            + assignment.id
            + ", \"user_id\": \""
            + user.id
            + "\", \"experiment_id\": "
            + experiment.id()
            + "}",
        assignment.enrolledAt);
  }

  /** Changes of earlier rows, each in some of the transactions. */
  private void change() {
    String now = now().toString();
    if (perMille(300)) {
      transaction.changes.add(Write.of(UPDATE_USER, texts.userProperties(), now, someUser().id));
    }
    if (perMille(60)) {
      reassign(now);
    }
    if (perMille(150)) {
      TrafficEvent e = someEvent();
      if (e != null) {
        String properties =
            e.type().equals("purchase") ? texts.purchaseProperties() : "{\"edited\": true}";
        replace(e, e.with(properties, e.time()));
        transaction.changes.add(Write.of(UPDATE_EVENT, properties, e.id(), e.time().toString()));
      }
    }
    if (perMille(30)) {
      TrafficEvent e = someEvent();
      if (e != null) {
        // To the microsecond, so that it never equals another row of the same id.
        Instant to = micros(e.time().minusNanos(1_000_000 + random.nextLong(100_000_000_000_000L)));
        replace(e, e.with(e.properties(), to));
        transaction.changes.add(Write.of(MOVE_EVENT, to.toString(), e.id(), e.time().toString()));
      }
    }
    if (perMille(100)) {
      TrafficEvent e = someEvent();
      if (e != null) {
        remembered.remove(e);
        transaction.changes.add(Write.of(DELETE_EVENT, e.id(), e.time().toString()));
      }
    }
    if (perMille(60) && users.size() > 10) {
      TrafficUser user = someUser();
      user.present = false;
      users.remove(user);
      remembered.removeIf(e -> e.user() == user);
      transaction.changes.add(Write.of(ERASE_USER, user.id));
      if (perMille(200)) {
        later.add(() -> join(new TrafficUser(user.id), now()));
      }
    }
    if (lane == 0 && perMille(10)) {
      transaction.changes.add(
          Write.of(
              UPDATE_EXPERIMENT,
              random.nextBoolean() ? "ACTIVE" : "PAUSED",
              now,
              EXPERIMENTS.get(1).id()));
    }
  }

  private void reassign(String now) {
    TrafficUser user = someUser();
    for (Experiment experiment : EXPERIMENTS) {
      TrafficUser.Assignment assignment = user.assignments.get(experiment.id());
      if (assignment != null) {
        List<Variant> variants = experiment.variants();
        assignment.variant =
            variants.get((variants.indexOf(assignment.variant) + 1) % variants.size());
        transaction.changes.add(Write.of(REASSIGN, assignment.variant.id(), now, assignment.id));
        return;
      }
    }
  }

  private TrafficEvent someEvent() {
    return remembered.isEmpty() ? null : remembered.get(random.nextInt(remembered.size()));
  }

  private void replace(TrafficEvent old, TrafficEvent changed) {
    remembered.remove(old);
    remembered.add(changed);
  }

  private Instant now() {
    return micros(times.apply(eventsMade));
  }

  private boolean perMille(int chance) {
    return random.nextInt(1_000) < chance;
  }

  private static Instant micros(Instant instant) {
    return instant.truncatedTo(ChronoUnit.MICROS);
  }

  private static String text(Instant instant) {
    return instant == null ? null : instant.toString();
  }
}
