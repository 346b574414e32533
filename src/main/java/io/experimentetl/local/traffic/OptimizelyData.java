package io.experimentetl.local.traffic;

import static io.experimentetl.local.traffic.Write.Kind.INSERT_ASSIGNMENT;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_EVENT;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_EXPERIMENT;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_USER;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_VARIANT;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import io.experimentetl.local.PlatformException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/**
 * A test with three variants that Optimizely simulated (Optimizely Labs, Apache-2.0, September
 * 2020), as source tables, in the order in which it was received: per decision a user's assignment
 * and an exposure at its time; every event of the visitor as an event of the experiment, in the
 * variant that the event itself names for it, or none; and for each event that names the experiment
 * {@link #ORPHAN}, of which there is no decision, a second row in that one. Revenue is in cents.
 */
public final class OptimizelyData implements ReplayedSet {
  public static final long EXPERIMENT = 18786493712L;
  public static final long ORPHAN = 18805683213L;

  /** The data name no control: the variant of the least id. */
  public static final List<Long> VARIANTS = List.of(18802093142L, 18817551468L, 18818611832L);

  /** A catalogue for it, as the configuration's statistics.metrics. */
  public static final String METRICS =
      "[{name: purchase, kind: proportion, event-type: purchase, covariate: 1d},"
          + " {name: revenue, kind: mean, event-type: purchase, property: revenue, covariate: 1d},"
          + " {name: homepage_views, kind: count, event-type: homepage_view, covariate: 1d},"
          + " {name: detail_page_views, kind: count, event-type: detail_page_view},"
          + " {name: adds_to_cart, kind: count, event-type: add_to_cart},"
          + " {name: order_value, kind: ratio, event-type: purchase, property: revenue,"
          + " denominator: {event-type: purchase}}]";

  private static final String DECISIONS = "decisions.csv.gz";
  private static final String EVENTS = "events.csv.gz";
  private static final int ROWS_PER_TRANSACTION = 500;
  private static final Instant FROM = Instant.parse("2020-09-14T00:00:00Z");
  private static final Instant UNTIL = Instant.parse("2020-09-15T00:00:00Z");
  private static final ObjectMapper JSON = new ObjectMapper();

  private final List<Decision> decisions;
  private final List<Event> events;

  private OptimizelyData(List<Decision> decisions, List<Event> events) {
    this.decisions = decisions;
    this.events = events;
  }

  private sealed interface Received {
    String user();

    Instant receivedAt();
  }

  private record Decision(String id, String user, Instant at, Instant receivedAt, long variant)
      implements Received {}

  /**
   * @param variants the variants that it names, by experiment
   */
  private record Event(
      String id,
      String user,
      Instant at,
      Instant receivedAt,
      String type,
      long cents,
      Map<Long, Long> variants)
      implements Received {}

  /** Whether the folder holds this set. */
  public static boolean isIn(Path folder) {
    return Files.exists(folder.resolve(DECISIONS));
  }

  /**
   * Reads {@code decisions.csv.gz} and {@code events.csv.gz}.
   *
   * @throws PlatformException naming the file that is missing
   */
  public static OptimizelyData read(Path folder) {
    List<Decision> decisions =
        rows(folder, DECISIONS).stream()
            .map(
                row ->
                    new Decision(
                        row.get("uuid"),
                        row.get("visitor_id"),
                        Instant.parse(row.get("timestamp")),
                        Instant.parse(row.get("process_timestamp")),
                        Long.parseLong(row.get("variation_id"))))
            .toList();
    List<Event> events =
        rows(folder, EVENTS).stream()
            .map(
                row ->
                    new Event(
                        row.get("uuid"),
                        row.get("visitor_id"),
                        Instant.parse(row.get("timestamp")),
                        Instant.parse(row.get("process_timestamp")),
                        row.get("event_name"),
                        Long.parseLong(row.get("revenue")),
                        variants(row.get("experiments_json"))))
            .toList();
    return new OptimizelyData(decisions, events);
  }

  private static List<Map<String, String>> rows(Path folder, String name) {
    Path path = folder.resolve(name);
    if (!Files.isReadable(path)) {
      throw new PlatformException(
          path + " is missing: name the folder that holds the Optimizely set by --data.");
    }
    try (InputStream plain = new GZIPInputStream(Files.newInputStream(path))) {
      return new CsvMapper()
          .readerForMapOf(String.class)
          .with(CsvSchema.emptySchema().withHeader())
          .<Map<String, String>>readValues(plain)
          .readAll();
    } catch (IOException e) {
      throw new PlatformException(path + " can't be read: " + e, e);
    }
  }

  private static Map<Long, Long> variants(String json) {
    Map<Long, Long> variants = new HashMap<>();
    try {
      for (JsonNode one : JSON.readTree(json.isEmpty() ? "[]" : json)) {
        variants.put(one.get("experiment_id").asLong(), one.get("variation_id").asLong());
      }
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
    return variants;
  }

  public int users() {
    return decisions.size();
  }

  /** Users that were assigned the variant. */
  public int users(long variant) {
    return (int) decisions.stream().filter(decision -> decision.variant() == variant).count();
  }

  /** Rows of the orphan experiment. */
  public int orphans() {
    return (int) events.stream().filter(event -> event.variants().containsKey(ORPHAN)).count();
  }

  /** The visitors, with any attribution. */
  public int visitorEvents() {
    return events.size();
  }

  /** Exposures, the visitors' events, and those of the orphan experiment. */
  @Override
  public int events() {
    return users() + visitorEvents() + orphans();
  }

  @Override
  public Load load(int connections) {
    List<Received> all =
        Stream.<Received>concat(decisions.stream(), events.stream())
            .sorted(Comparator.comparing(Received::receivedAt))
            .toList();
    return new Load(
        FROM,
        UNTIL,
        dimensions(),
        IntStream.range(0, connections)
            .<Lane>mapToObj(
                lane ->
                    new ReplayLane(
                        all.stream()
                            .filter(
                                row -> Math.floorMod(row.user().hashCode(), connections) == lane)
                            .iterator()))
            .toList(),
        Double.POSITIVE_INFINITY);
  }

  private static List<Write> dimensions() {
    String from = FROM.toString();
    List<Write> writes = new ArrayList<>();
    writes.add(
        Write.of(
            INSERT_EXPERIMENT,
            EXPERIMENT,
            "attic_and_button",
            "Optimizely Labs",
            null,
            "COMPLETED",
            "optimizely",
            1,
            null,
            from,
            UNTIL.toString(),
            from,
            from));
    for (int i = 0; i < VARIANTS.size(); i++) {
      writes.add(
          Write.of(
              INSERT_VARIANT,
              VARIANTS.get(i),
              EXPERIMENT,
              "variation_" + i,
              "Variation " + i,
              null,
              i == 0 ? 34 : 33,
              i == 0,
              null,
              from,
              from));
    }
    return writes;
  }

  /** Some visitors' rows, in the order in which they were received. */
  private static final class ReplayLane implements Lane {
    private final Iterator<Received> rows;
    private final Set<String> seen = new HashSet<>();

    ReplayLane(Iterator<Received> rows) {
      this.rows = rows;
    }

    @Override
    public List<Write> next() {
      List<Write> users = new ArrayList<>();
      List<Write> facts = new ArrayList<>();
      while (facts.size() < ROWS_PER_TRANSACTION && rows.hasNext()) {
        Received row = rows.next();
        String at = row.receivedAt().toString();
        if (seen.add(row.user())) {
          users.add(Write.of(INSERT_USER, row.user(), null, null, null, true, at, at));
        }
        if (row instanceof Decision decision) {
          facts.addAll(of(decision));
        } else {
          facts.addAll(of((Event) row));
        }
      }
      List<Write> all = new ArrayList<>(users);
      all.addAll(facts);
      return all;
    }

    private static List<Write> of(Decision decision) {
      String at = decision.at().toString();
      return List.of(
          Write.of(
              INSERT_ASSIGNMENT,
              Long.parseLong(decision.user().substring("user_".length())) + 1,
              EXPERIMENT,
              decision.user(),
              decision.variant(),
              1,
              "hash",
              null,
              at,
              null,
              at,
              at),
          Write.of(
              INSERT_EVENT,
              decision.id(),
              at,
              EXPERIMENT,
              decision.user(),
              decision.variant(),
              "exposure",
              at,
              null,
              null,
              null));
    }

    private static List<Write> of(Event event) {
      Write row = row(event, event.id(), EXPERIMENT);
      if (!event.variants().containsKey(ORPHAN)) {
        return List.of(row);
      }
      String derived = UUID.nameUUIDFromBytes((ORPHAN + event.id()).getBytes(UTF_8)).toString();
      return List.of(row, row(event, derived, ORPHAN));
    }

    private static Write row(Event event, String id, long experiment) {
      return Write.of(
          INSERT_EVENT,
          id,
          event.at().toString(),
          experiment,
          event.user(),
          event.variants().get(experiment),
          event.type(),
          null,
          event.type().equals("purchase") ? "{\"revenue\": " + event.cents() + "}" : null,
          null,
          null);
    }
  }
}
