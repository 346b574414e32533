package io.experimentetl.warehouse;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import java.io.IOException;
import java.io.Serializable;
import java.util.Collection;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;

/** Reads the rows of facts from the warehouse: the columns that state does not contain. */
public interface RawEvents extends AutoCloseable {
  /** Opens a reader; travels in the job graph. */
  interface Source extends Serializable {
    RawEvents open() throws IOException;
  }

  /**
   * What the warehouse holds beside a row.
   *
   * @param lsn of the change that brought the row; 0: the snapshot read it
   * @param committedAt its commit time, microseconds since 1970 in UTC
   * @param version see {@link io.experimentetl.model.RowVersion}
   * @param dayEpoch days since 1970-01-01 in the zone that the experiment had when the row was
   *     written
   * @param found codes that the row carries
   */
  record Stored(long lsn, long committedAt, long version, int dayEpoch, Set<FindingCode> found) {}

  /** Takes events. */
  @FunctionalInterface
  interface Events {
    void accept(EventRow row, Stored stored);
  }

  /** Takes assignments. */
  @FunctionalInterface
  interface Assignments {
    /**
     * Takes one.
     *
     * @param sequence of the change that brought it; 0: the snapshot read it
     */
    void accept(AssignmentRow row, long sequence, Stored stored);
  }

  /**
   * Reads the newest version of each row that is visible.
   *
   * @param from microseconds since 1970 in UTC
   * @throws IOException the warehouse refuses, or does not answer
   */
  void read(
      Collection<String> userIds,
      Collection<String> eventTypes,
      long from,
      Consumer<EventRow> events)
      throws IOException, InterruptedException;

  /**
   * Reads the rows of events and assignments that are visible and not deleted: of each key the
   * newest version up to the bound, and where rows of that version differ, all of them.
   *
   * @param bound inclusive: see {@link io.experimentetl.model.RowVersion}
   * @throws IOException as {@link #read}
   */
  void readAsOf(
      Collection<Long> experimentIds,
      Collection<String> userIds,
      long bound,
      Events events,
      Assignments assignments)
      throws IOException, InterruptedException;

  /**
   * Brings rows of a user back that were archived, so that they can be read.
   *
   * @param earliest of their times, microseconds since 1970 in UTC
   * @param latest of their times
   * @return the number of rows that were not there; empty: no month of these times is archived
   * @throws IOException the archive can't be read, or the warehouse as {@link #read}
   */
  default OptionalLong recall(String userId, long earliest, long latest)
      throws IOException, InterruptedException {
    return OptionalLong.empty();
  }

  @Override
  void close();
}
