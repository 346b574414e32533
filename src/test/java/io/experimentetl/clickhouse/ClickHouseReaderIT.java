package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.clickhouse.ClickHouseReadException.Reason;
import io.experimentetl.faults.FaultProxy;
import io.experimentetl.faults.Hangup;
import io.experimentetl.faults.RequestFault;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.ServerSocket;
import java.net.URI;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

@Timeout(120)
class ClickHouseReaderIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final Duration TIMEOUT = Duration.ofSeconds(30);
  private static final String MAX_DECIMAL = "9".repeat(64) + "." + "9".repeat(12);
  private static ClickHouseEndpoint endpoint;

  private ClickHouseReader reader = reader(endpoint.user(), endpoint.password());

  @BeforeAll
  static void createDatabase() {
    endpoint = PLATFORM.newClickHouseDatabase("reader");
  }

  @AfterEach
  void close() {
    reader.close();
  }

  private static ClickHouseReader reader(String user, String password) {
    return new ClickHouseReader(connection(endpoint.url(), user, password));
  }

  private static ClickHouseConnection connection(String url, String user, String password) {
    return new ClickHouseConnection(URI.create(url), endpoint.database(), user, () -> password);
  }

  private String text(String sql, Map<String, ?> parameters) throws Exception {
    return reader.list(sql, parameters, TIMEOUT, row -> row.getString(1)).get(0);
  }

  private long number(String sql, Map<String, ?> parameters) throws Exception {
    return reader.list(sql, parameters, TIMEOUT, row -> row.getLong(1)).get(0);
  }

  @Test
  void numbersTimesAndIdsAreExact() throws Exception {
    List<List<Object>> values =
        reader.list(
            """
            SELECT toUInt64('18446744073709551615') AS u64, toInt64('-9223372036854775808') AS i64,
              toDecimal256('%1$s', 12) AS big, -toDecimal256('%1$s', 12) AS small,
              toDateTime64('2299-12-31 23:59:59.999999', 6, 'UTC') AS latest,
              toDateTime64('1900-01-01 00:00:00.000001', 6, 'America/Los_Angeles') AS earliest,
              toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS id, toDate32('1900-01-01') AS day,
              CAST(NULL AS Nullable(Int64)) AS none, CAST(NULL AS Nullable(String)) AS absent
            """
                .formatted(MAX_DECIMAL),
            Map.of(),
            TIMEOUT,
            row -> {
              List<Object> read = new ArrayList<>();
              read.add(row.getBigDecimal("u64").toBigIntegerExact());
              read.add(row.getLong("i64"));
              read.add(row.getBigDecimal("big"));
              read.add(row.getBigDecimal("small"));
              read.add(row.getObject("latest", java.time.OffsetDateTime.class).toInstant());
              read.add(row.getObject("earliest", java.time.OffsetDateTime.class).toInstant());
              read.add(row.getObject("id"));
              read.add(row.getObject("day", java.time.LocalDate.class));
              row.getLong("none");
              read.add(row.wasNull());
              read.add(row.getString("absent"));
              read.add(row.getString("id"));
              return read;
            });

    assertThat(values.get(0))
        .containsExactly(
            new BigInteger("18446744073709551615"),
            Long.MIN_VALUE,
            new BigDecimal(MAX_DECIMAL),
            new BigDecimal("-" + MAX_DECIMAL),
            java.time.Instant.parse("2299-12-31T23:59:59.999999Z"),
            java.time.Instant.parse("1900-01-01T08:00:00.000001Z"),
            java.util.UUID.fromString("61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
            java.time.LocalDate.of(1900, 1, 1),
            true,
            null,
            "61f0c404-5cb3-11e7-907b-a6006ad3dba0");
  }

  @Test
  void parametersArriveAsTheyAre() throws Exception {
    for (String text :
        List.of(
            "",
            "plain",
            "it's",
            "\\",
            "a\\'b",
            "'; DROP TABLE x --",
            "tab\tline\nreturn\r",
            "\\N",
            "NULL",
            "?{x:String}&=%+#",
            "Näme 中文 😀",
            "[1,2]",
            "\"q\"",
            "\u0001\b\f")) {
      assertThat(text("SELECT {t:String} AS t", Map.of("t", text))).isEqualTo(text);
      assertThat(
              text(
                  "SELECT arrayElement({t:Array(String)}, 2) AS t",
                  Map.of("t", List.of("x", text))))
          .isEqualTo(text);
    }
    assertThat(number("SELECT {n:Int64} AS n", Map.of("n", Long.MIN_VALUE)))
        .isEqualTo(Long.MIN_VALUE);
    assertThat(
            number(
                "SELECT arraySum({n:Array(Int64)}) + length({e:Array(String)}) AS n",
                Map.of("n", List.of(1L, -3L), "e", List.of())))
        .isEqualTo(-2);
  }

  @Test
  void fiveHundredUsersFitIntoOneParameter() throws Exception {
    List<String> users =
        IntStream.range(0, 500).mapToObj(i -> "it's user \\ " + i + "x".repeat(24)).toList();

    assertThat(
            text(
                "SELECT arrayStringConcat({u:Array(String)}, '\\t') AS joined", Map.of("u", users)))
        .isEqualTo(String.join("\t", users));
  }

  @Test
  void twoMillionRowsAreStreamed() throws Exception {
    long[] sum = new long[2];
    reader.read(
        "SELECT number AS n, repeat('x', 100) AS filler FROM numbers(2000000)",
        Map.of(),
        TIMEOUT,
        row -> {
          sum[0] += row.getLong(1);
          sum[1]++;
        });

    assertThat(sum).containsExactly(1_999_999_000_000L, 2_000_000L);
  }

  @Test
  void errorInTheMiddleOfTheRowsIsAnError() {
    List<Long> seen = new ArrayList<>();

    assertThatThrownBy(
            () ->
                reader.read(
                    "SELECT throwIf(number = 3000000) AS t, number AS n FROM numbers(4000000)",
                    Map.of(),
                    TIMEOUT,
                    row -> seen.add(row.getLong(2))))
        .isInstanceOf(ClickHouseReadException.class)
        .hasMessageContaining("FUNCTION_THROW_IF_VALUE_IS_NON_ZERO");
    assertThat(seen).isEmpty();
  }

  @Test
  void columnNamesMustBeDistinct() {
    assertThatThrownBy(() -> number("SELECT 1, 1", Map.of()))
        .hasMessageContaining("two columns named 1");
  }

  @Test
  void refusalNamesServerCodeAndMessage() {
    assertThatThrownBy(() -> number("SELECT * FROM missing", Map.of()))
        .isInstanceOfSatisfying(
            ClickHouseReadException.class,
            e -> {
              assertThat(e.reason()).isEqualTo(Reason.UNKNOWN_OBJECT);
              assertThat(e.code()).isEqualTo(60);
              assertThat(e)
                  .hasMessageStartingWith(
                      "ClickHouse at " + endpoint.url() + " refused the query: ")
                  .hasMessageContaining("UNKNOWN_TABLE");
              assertThat(e.getMessage()).doesNotContain("\n", endpoint.password());
            });
  }

  @Test
  void statementRunsOnTheReadersConnection() throws Exception {
    reader.execute("CREATE TABLE made (n UInt8) ENGINE = Memory", TIMEOUT);
    reader.execute("INSERT INTO made SELECT number FROM numbers(3)", TIMEOUT);

    assertThat(number("SELECT count() FROM made", Map.of())).isEqualTo(3);
    assertThatThrownBy(() -> reader.execute("DROP TABLE missing", TIMEOUT))
        .isInstanceOfSatisfying(
            ClickHouseReadException.class,
            e -> assertThat(e.reason()).isEqualTo(Reason.UNKNOWN_OBJECT));
  }

  @Test
  void statementWhoseAnswerIsLostIsNotRepeated() throws Exception {
    reader.execute("CREATE TABLE once (n UInt8) ENGINE = Memory", TIMEOUT);
    try (FaultProxy proxy = FaultProxy.to(URI.create(endpoint.url()));
        ClickHouseReader remote =
            new ClickHouseReader(
                connection(proxy.url().toString(), endpoint.user(), endpoint.password()))) {
      remote.list("SELECT 1 AS n", Map.of(), TIMEOUT, row -> row.getLong(1));
      proxy.next(new RequestFault.DropAnswer(0, Hangup.FIN));

      assertThatThrownBy(() -> remote.execute("INSERT INTO once SELECT 1", TIMEOUT))
          .isInstanceOfSatisfying(
              ClickHouseReadException.class,
              e -> assertThat(e.reason()).isEqualTo(Reason.UNREACHABLE));
    }
    assertThat(number("SELECT count() FROM once", Map.of())).isEqualTo(1);
  }

  @Test
  void wrongPasswordIsAnAuthenticationFailure() {
    reader = reader(endpoint.user(), "sesame");

    assertThatThrownBy(() -> number("SELECT 1 AS n", Map.of()))
        .isInstanceOfSatisfying(
            ClickHouseReadException.class,
            e -> {
              assertThat(e.reason()).isEqualTo(Reason.AUTHENTICATION);
              assertThat(e.getMessage()).doesNotContain("sesame");
            });
  }

  @Test
  void deadServerIsUnreachable() {
    reader = new ClickHouseReader(connection("http://127.0.0.1:1", "u", "p"));

    assertThatThrownBy(() -> number("SELECT 1 AS n", Map.of()))
        .isInstanceOfSatisfying(
            ClickHouseReadException.class,
            e -> assertThat(e.reason()).isEqualTo(Reason.UNREACHABLE))
        .hasMessageContaining("127.0.0.1:1");
  }

  @Test
  void silentServerTimesOutAndTheReaderGoesOn() throws Exception {
    assertThatThrownBy(
            () ->
                reader.read(
                    "SELECT sleepEachRow(1) AS s FROM numbers(60)"
                        + " SETTINGS function_sleep_max_microseconds_per_block = 100000000",
                    Map.of(),
                    Duration.ofMillis(1500),
                    row -> {}))
        .isInstanceOfSatisfying(
            ClickHouseReadException.class, e -> assertThat(e.reason()).isEqualTo(Reason.TIMED_OUT));

    assertThat(number("SELECT 7 AS n", Map.of())).isEqualTo(7);
  }

  @Test
  void serverThatNeverAnswersTimesOut() throws Exception {
    try (ServerSocket silent = new ServerSocket(0)) {
      reader =
          new ClickHouseReader(connection("http://127.0.0.1:" + silent.getLocalPort(), "u", "p"));

      assertThatThrownBy(
              () -> reader.read("SELECT 1 AS n", Map.of(), Duration.ofMillis(500), row -> {}))
          .isInstanceOfSatisfying(
              ClickHouseReadException.class,
              e -> assertThat(e.reason()).isEqualTo(Reason.TIMED_OUT));
    }
  }

  @Test
  void interruptEndsTheRead() throws Exception {
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    Thread reading =
        new Thread(
            () -> {
              try {
                reader.read(
                    "SELECT sleepEachRow(1) AS s FROM numbers(60)"
                        + " SETTINGS function_sleep_max_microseconds_per_block = 100000000",
                    Map.of(),
                    Duration.ofMinutes(2),
                    row -> {});
              } catch (Exception e) {
                thrown.set(e);
              }
            });
    reading.start();
    reading.interrupt();
    reading.join(20_000);

    assertThat(thrown.get()).isInstanceOf(InterruptedException.class);
  }

  /** A user whose profile is {@code readonly} is refused when any setting is sent. */
  @Test
  void noSettingIsSentUnlessTheCallerNamesOne() throws Exception {
    String sent =
        "SELECT arrayStringConcat(groupArray(name), ' ') AS names FROM (SELECT name FROM system.settings"
            + " WHERE changed AND name != 'log_queries' ORDER BY name)";

    assertThat(text(sent, Map.of()))
        .doesNotContain("async_insert", "max_execution_time", "session_timezone", "max_threads");
    try (ClickHouseReader withSetting =
        new ClickHouseReader(
            connection(endpoint.url(), endpoint.user(), endpoint.password()),
            Map.of("max_threads", "3"))) {
      assertThat(withSetting.list(sent, Map.of(), TIMEOUT, row -> row.getString(1)).get(0))
          .contains("max_threads");
    }
  }

  @Test
  void emptyPasswordReachesTheServer() {
    reader = reader("nobody", "");

    assertThatThrownBy(() -> number("SELECT 1 AS n", Map.of()))
        .isInstanceOfSatisfying(
            ClickHouseReadException.class,
            e -> assertThat(e.reason()).isEqualTo(Reason.AUTHENTICATION));
  }

  @Test
  void failureOfTheConsumerIsPassedOn() {
    assertThatThrownBy(
            () ->
                reader.read(
                    "SELECT 1 AS n",
                    Map.of(),
                    TIMEOUT,
                    row -> {
                      throw new IllegalStateException("full");
                    }))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("full");
    assertThatThrownBy(
            () ->
                reader.read(
                    "SELECT 'x' AS n",
                    Map.of(),
                    TIMEOUT,
                    row -> {
                      throw new SQLException("no such column");
                    }))
        .isInstanceOf(ClickHouseReadException.class);
  }

  @Test
  void passwordFileThatIsMissingIsReported() {
    reader =
        new ClickHouseReader(
            new ClickHouseConnection(
                URI.create(endpoint.url()),
                endpoint.database(),
                endpoint.user(),
                () -> {
                  throw new java.io.IOException("no file at /secrets/clickhouse");
                }));

    assertThatThrownBy(() -> number("SELECT 1 AS n", Map.of()))
        .hasMessageContaining("/secrets/clickhouse");
  }
}
