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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.UUID;
import java.util.function.LongFunction;

/**
 * One writer's traffic, transaction by transaction: users who come, are assigned, see variants,
 * convert and buy, with the faults of real platforms in between. Deterministic by the plan and the
 * lane.
 */
final class TrafficLane implements Lane {
  private static final int EVENTS_PER_TRANSACTION = 50;
  private static final int REMEMBERED_EVENTS = 256;
  private static final String[] COUNTRIES = {"US", "US", "US", "DE", "UK", "FR", "IN", "BR", "JP"};
  private static final String[] PLATFORMS = {"web", "web", "ios", "android"};
  private static final String[] PLANS = {"free", "free", "free", "pro", "team"};

  /** Values of {@code properties} that no revenue can be read from. */
  private static final String[] BAD_PROPERTIES = {
    "{\"revenue\": \"12.50\"}",
    "{\"revenue\": -5.25}",
    "{\"revenue\": 1000000000000}",
    "{\"revenue\": 1e300}",
    "{\"revenue\": null}",
    "{\"revenue\": [1, 2]}",
    "{\"amount\": 7}",
    "[1, 2, 3]",
    "\"revenue\"",
    "17",
    "null",
  };

  private final TrafficPlan plan;
  private final int lane;
  private final SplittableRandom random;
  private final LongFunction<Instant> times;
  private final List<User> users = new ArrayList<>();
  private final List<Event> remembered = new ArrayList<>();
  private final List<Runnable> later = new ArrayList<>();

  private long usersMade;
  private long assignmentsMade;
  private long eventsMade;
  private Phases transaction = new Phases();

  TrafficLane(TrafficPlan plan, int lane, InstantSource clock) {
    this.plan = plan;
    this.lane = lane;
    this.times = plan.times(lane, clock);
    this.random = new SplittableRandom(plan.seed() * 1_000_003 + lane);
  }

  @Override
  public List<Write> next() {
    if (remaining() == 0) {
      return List.of();
    }
    transaction = new Phases();
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
    User user = users.isEmpty() || perMille(120) ? newUser(now) : someUser();
    Experiment experiment = EXPERIMENTS.get(random.nextInt(EXPERIMENTS.size()));
    Assignment assignment = user.assignments.get(experiment.id());
    if (assignment == null && (experiment.runsAt(now, plan.until()) || perMille(50))) {
      if (perMille(5)) {
        // The event overtakes the assignment; now and then the assignment never comes.
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

  private void session(User user, Experiment experiment, Assignment assignment, Instant now) {
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

  /** What the client says it showed: nearly always what was assigned. */
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
      User user, Experiment experiment, Long variant, Instant assignedAt, Instant time) {
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
      User user, Experiment experiment, Long variant, Instant assignedAt, Instant time) {
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
      User user, Experiment experiment, Long variant, Instant assignedAt, Instant time) {
    event(user, experiment.id(), variant, "purchase", assignedAt, purchaseProperties(), time);
  }

  private String purchaseProperties() {
    if (perMille(30)) {
      return perMille(80) ? null : BAD_PROPERTIES[random.nextInt(BAD_PROPERTIES.length)];
    }
    // Log-normal, so that a few purchases carry much of the revenue; some with more decimals than
    // count.
    double euros = Math.exp(3 + random.nextGaussian());
    String revenue =
        perMille(20) ? Double.toString(euros) : (long) euros + "." + (10 + random.nextInt(90));
    return "{\"revenue\": "
        + revenue
        + ", \"currency\": \"EUR\", \"items\": "
        + (1 + random.nextInt(4))
        + "}";
  }

  /** One event, with what a network and a client's clock do to it. */
  private void event(
      User user,
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
    Event event =
        new Event(
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
      Instant again = event.time.plusSeconds(1 + random.nextInt(60));
      insert(
          perMille(300)
              ? event.with(
                  type.equals("purchase") ? "{\"revenue\": 1}" : "{\"conflict\": true}", again)
              : event.with(properties, again));
    }
  }

  private void insert(Event e) {
    if (remaining() == 0) {
      return;
    }
    eventsMade++;
    transaction.events.add(
        Write.of(
            INSERT_EVENT,
            e.id,
            e.time.toString(),
            e.experiment,
            e.user.id,
            e.variant,
            e.type,
            text(e.assignedAt),
            e.properties,
            e.session,
            "r-" + eventsMade));
    if (perMille(50)) {
      outbox(e.user.id, "event", "EVENT_CREATED", eventPayload(e), e.time);
    }
    if (remembered.size() < REMEMBERED_EVENTS) {
      remembered.add(e);
    } else {
      remembered.set(random.nextInt(REMEMBERED_EVENTS), e);
    }
  }

  /** Three services write the outbox, each in its own way. */
  private String eventPayload(Event e) {
    return switch (random.nextInt(3)) {
      case 0 ->
          "{\"id\": \""
              + e.id
              + "\", \"event\": \""
              + e.type
              + "\", \"timestamp\": \""
              + e.time
              + "\"}";
      case 1 -> "{\"event_id\": \"" + e.id + "\", \"Event\": {\"type\": \"" + e.type + "\"}}";
      default -> "{\"event_id\": \"" + e.id + "\", \"event\": {\"type\": \"" + e.type + "\"}}";
    };
  }

  private void outbox(
      String aggregate, String aggregateType, String type, String payload, Instant time) {
    transaction.outbox.add(
        Write.of(INSERT_OUTBOX, aggregate, aggregateType, type, payload, time.toString()));
  }

  private User newUser(Instant now) {
    return join(new User("u" + plan.seed() + "-" + lane + "-" + usersMade++), now);
  }

  private User join(User user, Instant now) {
    users.add(user);
    transaction.users.add(
        Write.of(
            INSERT_USER,
            user.id,
            perMille(900) ? user.id + "@example.org" : null,
            "User " + user.id,
            userProperties(),
            true,
            micros(now).toString(),
            micros(now).toString()));
    return user;
  }

  private String userProperties() {
    if (perMille(20)) {
      return "{}";
    }
    return "{\"country\": \""
        + COUNTRIES[random.nextInt(COUNTRIES.length)]
        + "\", \"platform\": \""
        + PLATFORMS[random.nextInt(PLATFORMS.length)]
        + "\", \"plan\": \""
        + PLANS[random.nextInt(PLANS.length)]
        + "\"}";
  }

  /** Half of the visits by Zipf's law over the users in order of arrival, half by anybody. */
  private User someUser() {
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

  private Assignment assign(User user, Experiment experiment, Variant variant, Instant now) {
    long id = assignmentsMade++ * plan.lanes() + lane + 1;
    Instant at = micros(now.minusMillis(random.nextInt(2_000)));
    int dice = random.nextInt(1_000);
    String source = dice < 20 ? "override" : dice < 30 ? "forced" : dice < 60 ? "api" : "hash";
    Assignment assignment = new Assignment(idBase() + id, variant, at);
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

  /** Assignments of two plans must not meet either; seeds are small numbers. */
  private long idBase() {
    return Math.floorMod(plan.seed(), 1_000L) * 100_000_000L;
  }

  private void enrol(User user, Experiment experiment, Assignment assignment, Instant now) {
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

  /** What changes behind the events, about once in some transactions each. */
  private void change() {
    String now = now().toString();
    if (perMille(300)) {
      transaction.changes.add(Write.of(UPDATE_USER, userProperties(), now, someUser().id));
    }
    if (perMille(60)) {
      reassign(now);
    }
    if (perMille(150)) {
      Event e = someEvent();
      if (e != null) {
        String properties = e.type.equals("purchase") ? purchaseProperties() : "{\"edited\": true}";
        replace(e, e.with(properties, e.time));
        transaction.changes.add(Write.of(UPDATE_EVENT, properties, e.id, e.time.toString()));
      }
    }
    if (perMille(30)) {
      Event e = someEvent();
      if (e != null) {
        // To the microsecond, so that it never meets another row of the same id.
        Instant to = micros(e.time.minusNanos(1_000_000 + random.nextLong(100_000_000_000_000L)));
        replace(e, e.with(e.properties, to));
        transaction.changes.add(Write.of(MOVE_EVENT, to.toString(), e.id, e.time.toString()));
      }
    }
    if (perMille(100)) {
      Event e = someEvent();
      if (e != null) {
        remembered.remove(e);
        transaction.changes.add(Write.of(DELETE_EVENT, e.id, e.time.toString()));
      }
    }
    if (perMille(60) && users.size() > 10) {
      User user = someUser();
      user.present = false;
      users.remove(user);
      remembered.removeIf(e -> e.user == user);
      transaction.changes.add(Write.of(ERASE_USER, user.id));
      if (perMille(200)) {
        later.add(() -> join(new User(user.id), now()));
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
    User user = someUser();
    for (Experiment experiment : EXPERIMENTS) {
      Assignment assignment = user.assignments.get(experiment.id());
      if (assignment != null) {
        List<Variant> variants = experiment.variants();
        assignment.variant =
            variants.get((variants.indexOf(assignment.variant) + 1) % variants.size());
        transaction.changes.add(Write.of(REASSIGN, assignment.variant.id(), now, assignment.id));
        return;
      }
    }
  }

  private Event someEvent() {
    return remembered.isEmpty() ? null : remembered.get(random.nextInt(remembered.size()));
  }

  private void replace(Event old, Event changed) {
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

  /** A transaction's writes by what must come first; each phase makes long batches. */
  private static final class Phases {
    final List<Write> users = new ArrayList<>();
    final List<Write> assignments = new ArrayList<>();
    final List<Write> events = new ArrayList<>();
    final List<Write> outbox = new ArrayList<>();
    final List<Write> changes = new ArrayList<>();

    List<Write> inOrder() {
      List<Write> all = new ArrayList<>(users);
      all.addAll(assignments);
      all.addAll(events);
      all.addAll(outbox);
      all.addAll(changes);
      return all;
    }
  }

  private static final class User {
    final String id;
    final Map<Long, Assignment> assignments = new HashMap<>();
    boolean present = true;

    User(String id) {
      this.id = id;
    }
  }

  private static final class Assignment {
    final long id;
    Variant variant;
    final Instant assignedAt;
    Instant enrolledAt;

    Assignment(long id, Variant variant, Instant assignedAt) {
      this.id = id;
      this.variant = variant;
      this.assignedAt = assignedAt;
    }
  }

  private record Event(
      String id,
      User user,
      long experiment,
      Long variant,
      String type,
      Instant assignedAt,
      String properties,
      String session,
      Instant time) {
    Event with(String otherProperties, Instant otherTime) {
      return new Event(
          id, user, experiment, variant, type, assignedAt, otherProperties, session, otherTime);
    }
  }
}
