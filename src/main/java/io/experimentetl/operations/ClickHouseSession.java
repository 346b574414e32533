package io.experimentetl.operations;

import io.experimentetl.clickhouse.ClickHouseReadException;
import io.experimentetl.clickhouse.ClickHouseReader;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * Queries and statements over one connection to ClickHouse. Failures become {@link
 * OperationsException} with the server's own message and the statement.
 */
public final class ClickHouseSession implements AutoCloseable {
  private static final Duration READ_TIMEOUT = Duration.ofMinutes(5);

  /** OPTIMIZE and ALTER … DELETE rewrite the parts of a table. */
  private static final Duration STATEMENT_TIMEOUT = Duration.ofHours(1);

  private final ClickHouseLogin login;
  private final ClickHouseReader reader;

  ClickHouseSession(ClickHouseLogin login) {
    this.login = login;
    this.reader = new ClickHouseReader(login.connection());
  }

  /** Runs a query and returns its rows, each turned into a value. */
  public <T> List<T> list(String sql, ClickHouseReader.RowMapper<T> mapper) {
    return list(sql, READ_TIMEOUT, mapper);
  }

  /** The same for a query that reads whole tables. */
  <T> List<T> list(String sql, Duration timeout, ClickHouseReader.RowMapper<T> mapper) {
    return run(sql, () -> reader.list(sql, Map.of(), timeout, mapper));
  }

  /** Returns the only number of a query. */
  public long count(String sql) {
    return list(sql, row -> row.getLong(1)).get(0);
  }

  /** Runs a statement that returns no rows. It is sent once. */
  public void execute(String sql) {
    run(
        sql,
        () -> {
          reader.execute(sql, STATEMENT_TIMEOUT);
          return null;
        });
  }

  private interface Call<T> {
    T run() throws ClickHouseReadException, InterruptedException;
  }

  private <T> T run(String sql, Call<T> call) {
    try {
      return call.run();
    } catch (ClickHouseReadException e) {
      String problem =
          switch (e.reason()) {
            case UNREACHABLE, TIMED_OUT -> "does not answer";
            default -> "refused";
          };
      throw new OperationsException(
          "ClickHouse %s %s: %s%nStatement: %s".formatted(login, problem, e.detail(), sql.strip()),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new OperationsException("interrupted while asking ClickHouse", e);
    }
  }

  @Override
  public void close() {
    reader.close();
  }
}
