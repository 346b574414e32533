package io.experimentetl.warehouse;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import java.io.IOException;
import java.io.Serializable;
import java.util.Collection;
import java.util.function.Consumer;

/** Reads the rows of facts from the warehouse: the columns that state does not contain. */
public interface RawEvents extends AutoCloseable {
  /** Opens a reader; travels in the job graph. */
  interface Source extends Serializable {
    RawEvents open() throws IOException;
  }

  /** Takes assignments. */
  @FunctionalInterface
  interface Assignments {
    /**
     * Takes one.
     *
     * @param sequence of the change that brought it; 0: the snapshot read it
     */
    void accept(AssignmentRow row, long sequence);
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
      Consumer<EventRow> events,
      Assignments assignments)
      throws IOException, InterruptedException;

  @Override
  void close();
}
