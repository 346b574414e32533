package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.cdc.PostgresSourceSettings;
import io.experimentetl.cdc.ResyncRequest;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.CaptureSql;
import io.experimentetl.model.SourceTable;
import io.experimentetl.operations.SqlScript;
import io.experimentetl.replicate.Replication;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Collectors;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Replicated tables beside the default ones: ClickHouse shows what PostgreSQL holds. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ReplicatedTablesIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension static final MiniClusterExtension FLINK = JobOnServers.cluster();

  private static final String SCHEMA =
      """
      CREATE SCHEMA shop;
      CREATE TYPE shop.state AS ENUM ('OPEN', 'SETTLED');
      CREATE TABLE shop.bets (
          bet_id bigint PRIMARY KEY, user_id text NOT NULL, stake numeric(18, 2) NOT NULL, odds numeric, state shop.state NOT NULL,
          before shop.state, placed_at timestamptz NOT NULL, day date, clock timestamp, payload jsonb, tags text[], won boolean,
          ref uuid, ratio double precision, rate real, small smallint, whole int, note text,
          code char(4), address inet);
      CREATE TABLE shop.events (id int PRIMARY KEY, name text, category varchar(40), fee numeric(10, 2), starts timestamptz, state shop.state);
      CREATE TABLE shop.slips (id bigint PRIMARY KEY, event_id bigint, user_id text, stake numeric(12, 2) NOT NULL, placed_at timestamptz NOT NULL);
      CREATE TABLE shop."Lines" (a int NOT NULL, b text NOT NULL, qty int NOT NULL, PRIMARY KEY (a, b));
      -- Not compressed, so that large values are stored apart.
      ALTER TABLE shop.bets ALTER COLUMN note SET STORAGE EXTERNAL;
      GRANT USAGE ON SCHEMA shop TO experiment_etl_auditor;
      GRANT SELECT ON ALL TABLES IN SCHEMA shop TO experiment_etl_auditor;
      """;

  private static final String CONFIG =
      """
      replicate:
        - {table: shop.bets, order-by: [user_id], partition-by: placed_at, ttl: {column: placed_at, after: 3650d}, new-columns: alter}
        - {table: shop.Lines, name: order_lines, truncate: apply}
        - table: shop.slips
          partition-by: placed_at
          truncate: apply
          lookups:
            - {table: shop.events, on: {event_id: id}, columns: {event_name: name, event_category: category, fee: fee, starts: starts, event_state: state}, rewrite: true}
            - {table: users, on: {user_id: user_id}, columns: {user_name: name, user_active: is_active}, rewrite: true}
            - {table: shop.events, on: {event_id: id}, columns: {name_when_placed: name}}
          rollups:
            - {name: daily_slips, day: placed_at, zone: Europe/Berlin, by: [event_category], sums: [stake], distinct: [user_id]}
        - {table: shop.events}
      """;

  /** Every column of a bet as a text that both servers print alike. */
  private static final String IN_POSTGRES =
      "bet_id::text, user_id, stake::text, odds::text, state::text, before::text, (extract(epoch FROM placed_at) * 1000000)::bigint::text, day::text,"
          + " (extract(epoch FROM clock) * 1000000)::bigint::text, payload::text, tags::text, won::text, ref::text, ratio::text,"
          + " rate::text, small::text, whole::text, note";

  private static final String IN_CLICKHOUSE =
      "toString(bet_id), user_id, toDecimalString(stake, 2), odds, toString(state), before, toString(toUnixTimestamp64Micro(placed_at)), toString(day),"
          + " toString(toUnixTimestamp64Micro(clock)), payload, tags, toString(won), toString(ref), toString(ratio),"
          + " toString(rate), toString(small), toString(whole), note";

  @TempDir private static Path folder;
  private JobOnServers job;

  @BeforeEach
  void start(@InjectMiniCluster MiniCluster flink) throws Exception {
    if (job != null) {
      return;
    }
    JobDatabases databases = JobDatabases.create(PLATFORM, folder, "replicated");
    JobConfig declared = ConfigBuilder.read(CONFIG);
    JobConfig config = databases.config().withTablesOf(declared).build();
    databases.execute(
        SCHEMA,
        CaptureSql.of(config.source().tables(), "experiment_etl", "experiment_etl").text(),
        bets(1, 200),
        "INSERT INTO users (user_id, name, email) SELECT 's' || n, 'Name ' || n, 'mail' FROM generate_series(1, 20) n",
        "INSERT INTO shop.events SELECT n, 'event ' || n, 'c' || n % 3, n / 8.0, TIMESTAMPTZ '2026-09-01 12:00Z', 'OPEN' FROM generate_series(1, 20) n",
        slips(1, 300),
        "INSERT INTO shop.\"Lines\" SELECT n % 7, 'b:' || n, n FROM generate_series(1, 50) n");
    databases.makeSlotAnew();
    for (SqlScript.Statement statement :
        SqlScript.statements(
            Replication.ddl(config.replicate(), PostgresSourceSettings.of(config)))) {
      databases.clickHouse().login().execute(statement.text());
    }
    job =
        new JobOnServers(
            databases,
            config.source().tables(),
            flink,
            folder,
            DeliveryConfig.defaults(),
            Duration.ofSeconds(10));
    job.replicate(config.replicate());
    job.start(2);
    job.passSnapshot();
  }

  @AfterAll
  void auditIsEqual() throws Exception {
    job.closeBehindEqualAudit();
  }

  private static String bets(int from, int to) {
    return """
        INSERT INTO shop.bets
        SELECT n, 'u' || n %% 5, n / 7.0, CASE WHEN n %% 3 > 0 THEN n / 3.0 END, CASE n %% 2 WHEN 0 THEN 'OPEN' ELSE 'SETTLED' END::shop.state,
          CASE n %% 4 WHEN 0 THEN 'OPEN' END::shop.state, TIMESTAMPTZ '2026-09-01 12:34:56.789012Z' + n * INTERVAL '1 day 1 microsecond',
          CASE WHEN n %% 5 > 0 THEN DATE '2026-01-01' + n END, TIMESTAMP '2026-03-29 02:30:00' + n * INTERVAL '1 hour',
          CASE WHEN n %% 6 > 0 THEN jsonb_build_object('n', n, 'text', E'a"\\\\\\n' || n) END, ARRAY['x', NULL, 'y,' || n], n %% 2 = 0,
          CASE WHEN n %% 7 > 0 THEN md5(n::text)::uuid END, n / 7.0, n / 10.0, n, -n, repeat(md5(n::text), CASE n %% 10 WHEN 0 THEN 400 ELSE 1 END),
          'c' || n %% 100, ('10.0.0.' || n %% 250)::inet
        FROM generate_series(%d, %d) n"""
        .formatted(from, to);
  }

  /** Of every fifth the user does not exist, and some name no event. */
  private static String slips(int from, int to) {
    return "INSERT INTO shop.slips SELECT n, CASE WHEN n %% 7 > 0 THEN 1 + n %% 20 END, 's' || n %% 25, n / 4.0, TIMESTAMPTZ '2026-09-01 22:30Z' + n %% 50 * INTERVAL '1 day' FROM generate_series(%d, %d) n"
        .formatted(from, to);
  }

  private void awaitSlips() throws Exception {
    job.awaitAnswer(
        "SELECT id, event_name, event_category, toDecimalString(fee, 2), toString(toUnixTimestamp(starts)), event_state, user_name, user_active FROM slips FINAL ORDER BY id",
        one(
            "SELECT string_agg(concat_ws(E'\t', s.id, coalesce(e.name, '\\N'), coalesce(e.category, '\\N'), coalesce(e.fee::text, '\\N'), coalesce(extract(epoch FROM e.starts)::bigint::text, '\\N'), coalesce(e.state::text, '\\N'), coalesce(u.name, '\\N'), coalesce(u.is_active::text, '\\N')), E'\n' ORDER BY s.id) FROM shop.slips s LEFT JOIN shop.events e ON e.id = s.event_id LEFT JOIN users u ON u.user_id = s.user_id"));
    job.awaitAnswer(
        "SELECT toString(day), ifNull(event_category, '-') AS category, rows, toDecimalString(sum_stake, 2), distinct_user_id FROM daily_slips ORDER BY day, category",
        one(
            "SELECT string_agg(concat_ws(E'\\t', day, category, n, stake, users), E'\\n' ORDER BY day, category COLLATE \"C\") FROM (SELECT (placed_at AT TIME ZONE 'Europe/Berlin')::date AS day, coalesce(category, '-') AS category, count(*) AS n, sum(stake) AS stake, count(DISTINCT user_id) AS users FROM shop.slips s LEFT JOIN shop.events e ON e.id = s.event_id GROUP BY 1, 2) d"));
  }

  /** Count and one hash over every column of every row. */
  private void awaitEqual() throws Exception {
    String bets =
        one(
            "SELECT count(*) || E'\\t' || coalesce(sum(('x' || left(md5(concat_ws('|', "
                + nullSafe(IN_POSTGRES)
                + ")), 12))::bit(48)::bigint), 0) FROM shop.bets");
    job.awaitAnswer(
        "SELECT count(), sum(reinterpretAsUInt64(reverse(substring(MD5(arrayStringConcat(arrayMap(x -> ifNull(x, '~'), ["
            + IN_CLICKHOUSE
            + "]), '|')), 1, 6)))) FROM bets FINAL",
        bets);
    String lines =
        one(
            "SELECT count(*) || E'\\t' || coalesce(sum(a * 1000 + qty + length(b)), 0) FROM shop.\"Lines\"");
    job.awaitAnswer(
        "SELECT count(), sum(a * 1000 + qty + length(b)) FROM order_lines FINAL", lines);
  }

  private static String nullSafe(String columns) {
    return Arrays.stream(columns.split(",(?![^(]*\\))"))
        .map(column -> "coalesce(" + column.strip() + ", '~')")
        .collect(Collectors.joining(", "));
  }

  private String one(String sql) throws Exception {
    try (Connection connection = job.postgres.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getString(1);
    }
  }

  @Test
  @Order(1)
  void snapshotIsCopied() throws Exception {
    awaitEqual();
  }

  @Test
  @Order(2)
  void changesOfEveryKindArrive() throws Exception {
    job.execute(
        bets(201, 230),
        // An unchanged large value is not sent with the new row.
        "UPDATE shop.bets SET state = 'SETTLED', stake = 12345678901234.56 WHERE bet_id % 10 = 0",
        "DELETE FROM shop.bets WHERE bet_id % 9 = 0",
        "UPDATE shop.bets SET bet_id = bet_id + 10000 WHERE bet_id % 11 = 0",
        // Of the sorting key, and of the partition, but not of the primary key.
        "UPDATE shop.bets SET user_id = 'other', placed_at = placed_at + INTERVAL '70 days' WHERE bet_id % 13 = 0",
        "BEGIN; UPDATE shop.bets SET bet_id = 777777 WHERE bet_id = 1; INSERT INTO shop.bets (bet_id, user_id, stake, state, placed_at) VALUES (1, 'u1', 1, 'OPEN', '2026-09-02 12:34:56.789013Z'); COMMIT",
        "BEGIN; DELETE FROM shop.bets WHERE bet_id = 2; INSERT INTO shop.bets (bet_id, user_id, stake, state, placed_at) VALUES (2, 'u2', 2, 'OPEN', '2026-09-03 12:34:56.789014Z'); COMMIT",
        "UPDATE shop.\"Lines\" SET b = 'x\\:' || b WHERE a = 3");
    awaitEqual();
  }

  @Test
  @Order(3)
  void truncateIsAppliedToWhatTheSourceHeld() throws Exception {
    job.execute(
        "BEGIN; SELECT retention_begin(); DELETE FROM shop.\"Lines\" WHERE a = 1; COMMIT",
        "BEGIN; INSERT INTO shop.\"Lines\" VALUES (8, 'gone', 1); TRUNCATE shop.\"Lines\"; INSERT INTO shop.\"Lines\" VALUES (9, 'there', 1); COMMIT");
    job.awaitAnswer(
        "SELECT countIf(a = 1) > 0, countIf(a = 9), countIf(a NOT IN (1, 9)) FROM order_lines FINAL",
        "1\t1\t0");
    job.execute(
        "INSERT INTO shop.\"Lines\" SELECT 1, b, qty FROM (SELECT 'b:' || n AS b, n AS qty FROM generate_series(1, 50) n WHERE n % 7 = 1) x");
    awaitEqual();
  }

  @Test
  @Order(4)
  void newColumnIsAddedAndAJobFromASavepointGoesOn() throws Exception {
    job.execute(
        "ALTER TABLE shop.bets ADD COLUMN fee numeric(10, 2)",
        "ALTER TABLE shop.\"Lines\" ADD COLUMN colour text",
        "UPDATE shop.bets SET fee = bet_id / 4.0 WHERE bet_id % 3 = 0",
        "UPDATE shop.\"Lines\" SET colour = 'red' WHERE a = 9");
    String fees = one("SELECT count(fee) || E'\\t' || sum(fee) FROM shop.bets");
    job.awaitAnswer(
        "SELECT count(), countIf(_new_columns LIKE '%\"colour\":\"red\"%') FROM order_lines FINAL WHERE a = 9",
        "1\t1");
    job.awaitAnswer("SELECT count(fee), toDecimalString(sum(fee), 2) FROM bets FINAL", fees);
    job.redeploy(1);
    job.execute("UPDATE shop.bets SET fee = fee + 1 WHERE bet_id % 3 = 0", bets(300, 310));
    fees = one("SELECT count(fee) || E'\\t' || sum(fee) FROM shop.bets");
    job.awaitAnswer("SELECT count(fee), toDecimalString(sum(fee), 2) FROM bets FINAL", fees);
    awaitEqual();
  }

  @Test
  @Order(5)
  void valueThatClickHouseCannotHoldIsADeadLetterUntilItIsCorrected() throws Exception {
    job.execute(
        "UPDATE shop.bets SET stake = 'NaN' WHERE bet_id = 3",
        "UPDATE shop.bets SET clock = 'infinity' WHERE bet_id = 4");
    String open =
        "SELECT code, subject FROM findings_open WHERE subject LIKE 'replicated-row:%' ORDER BY code";
    job.awaitAnswer(
        open,
        "S-UNPARSEABLE\treplicated-row:bets:u3:2026-09-04T12\\\\:34\\\\:56.789015Z:3\nT-OUT-OF-RANGE\treplicated-row:bets:u4:2026-09-05T12\\\\:34\\\\:56.789016Z:4");
    job.execute(
        "UPDATE shop.bets SET stake = 1 WHERE bet_id = 3",
        "UPDATE shop.bets SET clock = NULL WHERE bet_id = 4");
    job.awaitAnswer(open, "");
    awaitEqual();
  }

  @Test
  @Order(6)
  void randomTransactionsAndLostTaskManagersLeaveBothSidesEqual() throws Exception {
    Random random = new Random(16);
    for (int round = 0; round < 3; round++) {
      StringBuilder transaction = new StringBuilder("BEGIN;");
      for (int i = 0; i < 40; i++) {
        int id = 400 + random.nextInt(30);
        transaction.append(
            switch (random.nextInt(5)) {
              case 0 -> "DELETE FROM shop.bets WHERE bet_id = " + id;
              case 1 ->
                  "UPDATE shop.bets SET bet_id = %d WHERE bet_id = %d AND NOT EXISTS (SELECT FROM shop.bets WHERE bet_id = %1$d)"
                      .formatted(400 + random.nextInt(30), id);
              case 2 ->
                  "UPDATE shop.bets SET user_id = 'r%d', stake = stake + 0.01 WHERE bet_id = %d"
                      .formatted(random.nextInt(3), id);
              default ->
                  bets(id, id)
                      + " ON CONFLICT (bet_id) DO UPDATE SET note = excluded.note || '!', odds = random()";
            });
        transaction.append(i % 9 == 8 ? ";COMMIT;BEGIN;" : ";");
      }
      job.execute(transaction.append("COMMIT").toString());
      if (round == 1) {
        job.loseTaskManager();
      }
    }
    awaitEqual();
    assertThat(
            job.clickHouse.query(
                "SELECT count() - uniqExact(user_id, placed_at, bet_id, _version) FROM bets"))
        .isEqualTo("0");
  }

  @Test
  @Order(7)
  void rowsThatDifferInClickHouseAreReadAgainWhileOthersChange() throws Exception {
    job.clickHouse.query("DELETE FROM bets WHERE bet_id % 4 = 1");
    job.clickHouse.query("DELETE FROM slips WHERE id % 4 = 1");
    job.clickHouse.query(
        "ALTER TABLE bets UPDATE note = 'wrong' WHERE bet_id % 4 = 2 SETTINGS mutations_sync = 2");
    job.clickHouse.query(
        "INSERT INTO bets SELECT * REPLACE (999999 AS bet_id) FROM bets FINAL WHERE bet_id = 300");
    job.execute(request("shop.bets"));
    for (int i = 0; i < 5; i++) {
      job.execute(
          "UPDATE shop.bets SET stake = stake + 1 WHERE bet_id % 20 = " + (1 + 4 * i),
          "DELETE FROM shop.bets WHERE bet_id % 100 = " + (1 + 20 * i),
          "UPDATE shop.bets SET user_id = 'moved' WHERE bet_id % 100 = " + (5 + 20 * i),
          bets(600 + i, 600 + i));
      job.checkpoint();
    }
    awaitEqual();
    awaitNoRequest();
  }

  /** The request comes with the truncate: else the watch compares first, and stops the job. */
  @Test
  @Order(8)
  void rowsThatRetentionHasTruncatedStayWhenTheTableIsReadAgain() throws Exception {
    String kept = job.clickHouse.query("SELECT count() FROM order_lines FINAL");
    job.clickHouse.query("DELETE FROM bets WHERE bet_id = 300");
    job.execute(
        "BEGIN; SELECT retention_begin(); TRUNCATE shop.\"Lines\"; INSERT INTO shop.\"Lines\" VALUES (21, 'there', 1); %s; COMMIT"
            .formatted(request("shop.Lines")));
    job.awaitAnswer("SELECT count() FROM bets FINAL WHERE bet_id = 300", "1");
    awaitNoRequest();
    assertThat(job.clickHouse.query("SELECT count() FROM order_lines FINAL WHERE a != 21"))
        .isEqualTo(kept);
  }

  @Test
  @Order(9)
  void rowsCarryTheColumnsOfTheirReferences() throws Exception {
    awaitSlips();
    job.awaitAnswer(
        "SELECT subject, replaceRegexpOne(detail, ', such as .*: ', ': ') FROM findings_open WHERE code = 'R-ORPHAN-LOOKUP'",
        "column:shop.slips.user_id\t60 rows of shop.slips: user_active and user_name are NULL");
    job.execute(
        "UPDATE shop.events SET name = 'new ' || name, fee = NULL, state = 'SETTLED' WHERE id % 2 = 0",
        "UPDATE shop.slips SET event_id = NULL WHERE id % 9 = 0",
        "UPDATE shop.slips SET event_id = 2 WHERE id % 11 = 0",
        "UPDATE shop.slips SET placed_at = placed_at + INTERVAL '40 days', user_id = 's1' WHERE id % 13 = 0",
        "DELETE FROM shop.slips WHERE id % 17 = 0",
        "UPDATE users SET name = 'renamed' WHERE user_id = 's3'",
        "DELETE FROM users WHERE user_id = 's4'",
        "INSERT INTO users (user_id, name, email) VALUES ('s0', 'late', 'mail')",
        slips(301, 320));
    awaitSlips();
    assertThat(
            job.clickHouse.query(
                "SELECT name_when_placed, event_name FROM slips FINAL WHERE id = 3 OR id = 302 ORDER BY id"))
        .isEqualTo("event 4\tnew event 4\nevent 3\tevent 3");
    job.redeploy(1);
    job.execute(
        "DELETE FROM shop.events WHERE id = 5",
        "UPDATE shop.events SET id = 105 WHERE id = 6",
        "BEGIN; SELECT retention_begin(); DELETE FROM shop.events WHERE id = 7; COMMIT");
    job.awaitAnswer(
        "SELECT groupUniqArray(event_name) FROM slips FINAL WHERE event_id IN (5, 6, 7) AND event_name IS NOT NULL",
        "['event 7']");
    job.execute(
        "INSERT INTO shop.events (id, name) VALUES (6, 'six')",
        "TRUNCATE shop.slips",
        slips(500, 600));
    job.awaitAnswer("SELECT count(), countIf(event_name = 'six') > 0 FROM slips FINAL", "101\t1");
  }

  /** VACUUM FULL makes the running job compare the table too. */
  @Test
  @Order(10)
  void rowThatWaitsForItsReferenceIsNoDifference() throws Exception {
    job.execute(
        "INSERT INTO shop.slips VALUES (1000, 1000, 's1', 1, '2026-09-01 22:30Z'), (1001, 2, 'late', 1, '2026-09-01 22:30Z')",
        "VACUUM FULL shop.slips");
    assertThat(job.audit().differences()).isEmpty();
    assertThat(
            job.clickHouse.query("SELECT event_name, user_name FROM slips FINAL WHERE id = 1000"))
        .startsWith("\\N\t");
    job.execute(
        "INSERT INTO shop.events (id, name) VALUES (1000, 'a thousand')",
        "INSERT INTO users (user_id, name, email) VALUES ('late', 'late', 'mail')");
    job.awaitAnswer(
        "SELECT groupArray(tuple(event_name, name_when_placed)) FROM slips FINAL WHERE id = 1000",
        "[('a thousand','a thousand')]");
  }

  private static String request(String relation) {
    return "INSERT INTO etl_heartbeat VALUES ('%s', now())"
        .formatted(ResyncRequest.of(SourceTable.REPLICATED, relation).writer());
  }

  private void awaitNoRequest() {
    await()
        .atMost(Duration.ofMinutes(1))
        .until(
            () -> {
              job.checkpoint();
              return one("SELECT count(*) FROM etl_heartbeat WHERE writer LIKE 'resync%'")
                  .equals("0");
            });
  }
}
