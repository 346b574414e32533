package io.experimentetl.operations;

import java.util.Set;
import java.util.TreeSet;

/**
 * Tables whose merges wait. ClickHouse keeps them waiting until it is told otherwise or restarts,
 * so they go on as well when this process is interrupted.
 */
final class StoppedMerges {
  private final ClickHouseLogin database;
  private final Set<String> tables;
  private Thread atExit;
  private boolean exiting;

  StoppedMerges(ClickHouseLogin database, Set<String> tables) {
    this.database = database;
    this.tables = new TreeSet<>(tables);
  }

  /**
   * Stops the merges of all tables.
   *
   * @throws OperationsException if one refuses, or this process is about to end
   */
  synchronized void stop() {
    atExit = new Thread(this::startAtExit, "start-merges");
    try {
      Runtime.getRuntime().addShutdownHook(atExit);
    } catch (IllegalStateException e) {
      throw new OperationsException("interrupted before the merges were stopped", e);
    }
    for (String table : tables) {
      database.execute("SYSTEM STOP MERGES `%s`".formatted(table));
    }
  }

  private synchronized void startAtExit() {
    exiting = true;
    start();
  }

  /**
   * Starts the merges of all tables, also of those behind one that refuses.
   *
   * @throws OperationsException of the first that refuses
   */
  synchronized void start() {
    OperationsException refusal = null;
    for (String table : tables) {
      try {
        database.execute("SYSTEM START MERGES `%s`".formatted(table));
      } catch (OperationsException e) {
        if (refusal == null) {
          refusal =
              new OperationsException(
                  "merges of %s.%s may still wait: run SYSTEM START MERGES `%1$s`.`%2$s`. %s"
                      .formatted(database.database(), table, e.getMessage()),
                  e);
        }
      }
    }
    if (refusal != null) {
      throw refusal;
    }
    if (atExit != null && !exiting) {
      Runtime.getRuntime().removeShutdownHook(atExit);
      atExit = null;
    }
  }
}
