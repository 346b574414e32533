package io.experimentetl.audit;

import io.experimentetl.audit.RowComparison.Tally;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * What the audit needs of PostgreSQL as a whole: the segments of the tables and the recomputed
 * figures. They are read on a thread and a connection of their own, while the caller waits for
 * ClickHouse and reads it. PostgreSQL is at rest in its snapshot, so the order of reading does not
 * matter.
 */
final class SourceReading implements AutoCloseable {
  private final SourceSnapshot source;
  private final Set<String> zones;
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(
          task -> {
            Thread reader = new Thread(task, "audit-postgresql");
            reader.setDaemon(true);
            return reader;
          });
  private final Map<AuditedTable, Future<Map<Segment, Tally>>> segments =
      new EnumMap<>(AuditedTable.class);
  private Future<SourceFigures> figures;

  private SourceReading(SourceSnapshot source, Set<String> zones) {
    this.source = source;
    this.zones = zones;
  }

  /**
   * Begins to read.
   *
   * @param snapshot another connection reads the same one
   * @param tables those whose segments are read
   * @param withFigures whether the figures are read
   * @throws CannotCompareException if PostgreSQL lacks a zone of the figures
   */
  static SourceReading begin(
      AuditSettings settings,
      SourceSnapshot snapshot,
      Set<AuditedTable> tables,
      boolean withFigures) {
    Set<String> zones = StatisticsComparison.zonesInSource(settings, snapshot);
    StatisticsSql figures =
        new StatisticsSql(settings.statistics(), zones, settings.mapping().hasSharedFacts());
    if (withFigures) {
      StatisticsComparison.requireZonesInSource(settings, snapshot, figures);
    }
    SourceReading reading = new SourceReading(snapshot.beside(settings), zones);
    for (AuditedTable table : tables) {
      reading.segments.put(
          table,
          reading.thread.submit(
              () ->
                  RowComparison.segmentsInSource(
                      settings, table, reading.source, Optional.empty())));
    }
    if (withFigures) {
      reading.figures =
          reading.thread.submit(() -> SourceFigures.read(settings, reading.source, figures));
    }
    return reading;
  }

  /** The zones that PostgreSQL's experiments name. */
  Set<String> zones() {
    return zones;
  }

  /** Count and hash of each segment of one of the tables. */
  Map<Segment, Tally> segments(AuditedTable table) {
    return result(segments.get(table));
  }

  /** The figures from PostgreSQL's rows. */
  SourceFigures figures() {
    return result(figures);
  }

  /** The supervision by {@link Deadline} ends a query that does not move, and so this wait. */
  private static <T> T result(Future<T> reading) {
    try {
      return reading.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof CannotCompareException cause) {
        throw cause;
      }
      throw new IllegalStateException("PostgreSQL could not be read.", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CannotCompareException("Interrupted while PostgreSQL was read: run it again.", e);
    }
  }

  /** Ends also what nobody waits for any more. */
  @Override
  public void close() {
    thread.shutdownNow();
    source.abort();
  }
}
