package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.local.PlatformExtension;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tables of other names, columns and types. */
class MappedAuditIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final String OTHER_TABLES =
      """
        CREATE SCHEMA ab
        ALTER TABLE experiments SET SCHEMA ab
        ALTER TABLE ab.experiments RENAME TO tests
        ALTER TABLE ab.tests RENAME COLUMN id TO test_id
        ALTER TABLE ab.tests ALTER COLUMN status DROP DEFAULT, ALTER COLUMN status TYPE text USING 'RUNNING'
        ALTER TABLE variants SET SCHEMA ab
        ALTER TABLE ab.variants RENAME TO arms
        ALTER TABLE ab.arms ALTER COLUMN allocation_pct TYPE float8, DROP COLUMN is_control
        ALTER TABLE ab.arms RENAME COLUMN allocation_pct TO weight
        ALTER TABLE users SET SCHEMA ab
        ALTER TABLE ab.users RENAME TO "People"
        ALTER TABLE ab."People" RENAME COLUMN user_id TO uid
        ALTER TABLE ab."People" RENAME COLUMN email TO mail
        ALTER TABLE ab."People" RENAME COLUMN properties TO props
        ALTER TABLE ab."People" ALTER COLUMN props TYPE json
        ALTER TABLE assignments SET SCHEMA ab
        ALTER TABLE ab.assignments ALTER COLUMN assigned_at DROP DEFAULT,
          ALTER COLUMN assigned_at TYPE bigint USING extract(epoch FROM assigned_at) * 1000
        ALTER TABLE events SET SCHEMA ab
        ALTER TABLE ab.events RENAME TO facts
        ALTER TABLE ab.facts RENAME COLUMN "timestamp" TO ts
        ALTER TABLE ab.facts ADD COLUMN payload jsonb
        UPDATE ab.facts SET payload = jsonb_strip_nulls(jsonb_build_object('user', jsonb_build_object('id', user_id), 'sums', properties))
        ALTER TABLE ab.facts DROP COLUMN user_id CASCADE, DROP COLUMN properties""";

  private static final String MAPPING =
      """
            experiments: {table: ab.tests, columns: {id: test_id, seed: seed, description: description, config: config, starts_at: starts_at, ends_at: ends_at}, values: {status: {RUNNING: ACTIVE}}}
            variants: {table: ab.arms, columns: {allocation_pct: weight, description: description, config: config}, control: {key: control}}
            users: {table: ab.People, columns: {user_id: uid, email: mail, name: name, properties: props}}
            assignments: {table: ab.assignments, columns: {assigned_at: {column: assigned_at, unit: ms}, enrolled_at: enrolled_at, context: context}}
            events: {table: ab.facts, columns: {timestamp: ts, user_id: payload.user.id, properties: payload.sums, variant_id: variant_id, session_id: session_id}}
            """;

  @Test
  void mappedTablesAreComparedAndNamedAsTheSourceNamesThem() throws Exception {
    try (AuditRun run = AuditRun.create(PLATFORM)) {
      AuditFixture fixture = run.fixture();
      for (String statement : OTHER_TABLES.replace("\n  ", " ").lines().toList()) {
        fixture.sql(statement);
      }
      fixture.map(ConfigBuilder.read("source:\n  tables:\n" + MAPPING.indent(4)).source().tables());
      run.rest();

      AuditReport report = run.audit();

      assertThat(report.differences()).isEmpty();
      assertThat(AuditFixture.printed(report))
          .contains("EQUAL")
          .containsPattern("ab.People +all +40 +40 +equal")
          .containsPattern("statistics +2 experiments, [1-9]\\d* cells: equal");

      fixture.sql("UPDATE ab.\"People\" SET mail = 'x' WHERE uid = 'u7'");
      fixture.sql(
          "UPDATE ab.facts SET payload = jsonb_set(payload, '{sums,revenue}', '7') WHERE payload -> 'user' ->> 'id' = 'u3' AND experiment_id = 2 AND event_type = 'purchase'");
      assertThat(run.audit().differences().stream().map(AuditReport.Difference::toString))
          .contains(
              "ab.People: user:u7 is different in ClickHouse: email is -, in PostgreSQL (mail) 1:x")
          .anyMatch(
              line -> line.startsWith("ab.facts ") && line.contains("in PostgreSQL (payload) {"))
          .anyMatch(line -> line.startsWith("statistics") && line.contains("revenue"));
    }
  }
}
