package io.experimentetl.attribution;

import io.experimentetl.clickhouse.Backoff;
import io.experimentetl.model.EventRow;
import io.experimentetl.quality.EventChecks;
import io.experimentetl.warehouse.RawEvents;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.LongSummaryStatistics;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/** Users' facts as the warehouse shows them; evicted facts are rehydrated from there. */
final class WarehouseFacts implements AutoCloseable {
  /** A run of the archive removes a month once. */
  private static final int MAX_RECALLS = 20;

  /** One user in one experiment. */
  record Key(String userId, long experimentId) {}

  private final RawEvents.Source source;
  private final EventChecks checks;
  private final Duration patience;
  private final Map<Key, FactsRead> ahead = new HashMap<>();
  private RawEvents rows;

  /**
   * Connects to nothing yet.
   *
   * @param checks knows the properties whose values facts hold
   * @param patience how long a query is repeated while the warehouse does not answer
   */
  WarehouseFacts(RawEvents.Source source, EventChecks checks, Duration patience) {
    this.source = source;
    this.checks = checks;
    this.patience = patience;
  }

  /**
   * The visible facts, each in its newest version up to the bound.
   *
   * @throws IOException the warehouse refuses, or does not answer
   */
  Map<Key, FactsRead> read(Set<Long> experiments, Collection<String> userIds, long bound)
      throws IOException, InterruptedException {
    Map<Key, FactsRead> read = new HashMap<>();
    open()
        .readAsOf(
            experiments,
            userIds,
            bound,
            (event, stored) ->
                read.computeIfAbsent(
                        new Key(event.userId(), event.experimentId()),
                        key -> new FactsRead(key.experimentId()))
                    .add(event, checks, stored.found()),
            (assignment, sequence, stored) ->
                read.computeIfAbsent(
                        new Key(assignment.userId(), assignment.experimentId()),
                        key -> new FactsRead(key.experimentId()))
                    .add(assignment, sequence, stored.found()));
    return read;
  }

  /**
   * Reads the events' rows that are visible, each in its newest version.
   *
   * @throws IOException the warehouse refuses, or does not answer
   */
  void readEvents(Set<Long> experiments, Collection<String> userIds, Consumer<EventRow> events)
      throws IOException, InterruptedException {
    readRows(
        experiments,
        userIds,
        (event, stored) -> events.accept(event),
        (assignment, sequence, stored) -> {});
  }

  /**
   * Reads the rows that are visible, each in its newest version.
   *
   * @throws IOException the warehouse refuses, or does not answer
   */
  void readRows(
      Set<Long> experiments,
      Collection<String> userIds,
      RawEvents.Events events,
      RawEvents.Assignments assignments)
      throws IOException, InterruptedException {
    open().readAsOf(experiments, userIds, Long.MAX_VALUE, events, assignments);
  }

  /**
   * Brings archived rows of a user back into the warehouse, if rows of the times are archived.
   *
   * @param times microseconds since 1970 in UTC
   * @return whether rows came back that the warehouse did not have
   * @throws IOException the archive or the warehouse refuses, or does not answer
   */
  boolean recall(String userId, LongSummaryStatistics times)
      throws IOException, InterruptedException {
    return open().recall(userId, times.getMin(), times.getMax()).orElse(0) > 0;
  }

  private RawEvents open() throws IOException {
    if (rows == null) {
      rows = source.open();
    }
    return rows;
  }

  /**
   * The facts that the summary was made of, or null where the warehouse does not show exactly
   * these.
   *
   * @throws UncheckedIOException the warehouse did not answer in time
   */
  ExperimentFacts rehydrate(String userId, EvictionSummary summary) {
    Key key = new Key(userId, summary.experimentId());
    FactsRead known = ahead.remove(key);
    FactsRead read =
        readWhole(known, userId, summary, summary.bound(), found -> isOf(found, summary));
    if (!isOf(read, summary)) {
      // Rows that were lost and written again are newer.
      read = query(Set.of(key.experimentId()), Set.of(userId), Long.MAX_VALUE).get(key);
    }
    return isOf(read, summary) ? read.facts : null;
  }

  private static boolean isOf(FactsRead read, EvictionSummary summary) {
    return read != null && read.isOf(summary);
  }

  /**
   * Reads facts until the read is whole, or has seen all that there is, the archived rows too: that
   * is a read behind which no row comes back from the archive. A run of the archive may remove rows
   * that came back before they are read; then the next recall brings them again.
   *
   * @param known what was read ahead; null: nothing
   */
  private FactsRead readWhole(
      FactsRead known,
      String userId,
      EvictionSummary summary,
      long bound,
      Predicate<FactsRead> isWhole) {
    Key key = new Key(userId, summary.experimentId());
    Set<Long> experiments = Set.of(summary.experimentId());
    FactsRead read = known;
    for (int recalls = 0; recalls < MAX_RECALLS; recalls++) {
      if (read == null) {
        read = query(experiments, Set.of(userId), bound).get(key);
      }
      if (isWhole.test(read) || recall(userId, summary) == 0) {
        return read;
      }
      read = null;
    }
    throw new UncheckedIOException(
        timeout(
            experiments,
            Set.of(userId),
            new IOException(
                "rows that come back from the archive are removed again at once; has the table a TTL?")));
  }

  /** Brings archived rows of the facts' months back, and returns how many. */
  private long recall(String userId, EvictionSummary summary) {
    return repeat(
        () -> open().recall(userId, summary.earliest(), summary.latest()).orElse(0),
        e -> timeout(Set.of(summary.experimentId()), Set.of(userId), e));
  }

  /**
   * Reads ahead what {@link #rehydrate} will need, many users in one query. Facts that were read
   * ahead before and not used are dropped.
   *
   * @throws UncheckedIOException as {@link #rehydrate}
   */
  void readAhead(Map<String, List<EvictionSummary>> summaries) {
    ahead.clear();
    Map<Long, Set<String>> usersByBound = new TreeMap<>();
    Set<Long> experiments = new TreeSet<>();
    summaries.forEach(
        (userId, of) -> {
          for (EvictionSummary summary : of) {
            usersByBound.computeIfAbsent(summary.bound(), bound -> new TreeSet<>()).add(userId);
            experiments.add(summary.experimentId());
          }
        });
    usersByBound.forEach(
        (bound, userIds) ->
            query(experiments, userIds, bound)
                .forEach(
                    (key, read) -> {
                      boolean isNeeded =
                          summaries.get(key.userId()).stream()
                              .anyMatch(
                                  summary ->
                                      summary.experimentId() == key.experimentId()
                                          && summary.bound() == bound);
                      if (isNeeded) {
                        ahead.put(key, read);
                      }
                    }));
  }

  /**
   * All that the warehouse shows of evicted facts, complete or not, the archived ones too.
   *
   * @throws UncheckedIOException as {@link #rehydrate}
   */
  ExperimentFacts remains(String userId, EvictionSummary summary) {
    FactsRead read = readWhole(null, userId, summary, Long.MAX_VALUE, found -> false);
    return read == null ? new ExperimentFacts(summary.experimentId()) : read.facts;
  }

  private Map<Key, FactsRead> query(Set<Long> experiments, Set<String> userIds, long bound) {
    return repeat(() -> read(experiments, userIds, bound), e -> timeout(experiments, userIds, e));
  }

  /** A request that may be repeated. */
  @FunctionalInterface
  private interface Request<T> {
    T send() throws IOException, InterruptedException;
  }

  private <T> T repeat(Request<T> request, UnaryOperator<IOException> timeout) {
    Backoff backoff = new Backoff(patience);
    try {
      while (true) {
        try {
          return request.send();
        } catch (IOException e) {
          if (backoff.isOver()) {
            throw new UncheckedIOException(timeout.apply(e));
          }
          backoff.pause();
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UncheckedIOException(
          (InterruptedIOException)
              new InterruptedIOException("Interrupted while evicted facts were read").initCause(e));
    }
  }

  private IOException timeout(Set<Long> experiments, Set<String> userIds, IOException e) {
    return new IOException(
        "Evicted facts (experiments %s, users %s …) are needed again, and ClickHouse did not return them within %d s (clickhouse.commit-deadline). Nothing is lost: the job restarts from its last checkpoint and continues when events_processed and assignments_processed, and the archive if there is one, can be read. The cause: %s"
            .formatted(
                experiments,
                userIds.stream().limit(3).toList(),
                patience.toSeconds(),
                e.getMessage()),
        e);
  }

  @Override
  public void close() {
    if (rows != null) {
      rows.close();
      rows = null;
    }
  }
}
