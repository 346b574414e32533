package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.JobConfig;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.UserRow;
import io.experimentetl.postgres.pgoutput.PgOutputMessages;
import io.experimentetl.postgres.pgoutput.Relation;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.Test;

/** Rows that erase their user, as PostgreSQL's stream has them. */
class ErasingRowsDecoderTest {
  private static final int TEXT = 25;

  private final List<Either<ReaderNotice, Change>> output = new ArrayList<>();

  private static Relation.Column column(String name) {
    return new Relation.Column(name, TEXT);
  }

  private List<Change> changes() {
    return output.stream().filter(Either::isRight).map(Either::right).toList();
  }

  private static final int PEOPLE = 504;

  private StreamDecoder decoderOf(String tables) {
    SourceMapping mapping =
        JobConfig.parse(
                "file",
                "source:\n  tables:\n" + tables.indent(4),
                Map.of(
                    "EXPERIMENT_ETL_SOURCE_PASSWORD", "-",
                    "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "-"))
            .source()
            .tables();
    StreamDecoder mapped = new StreamDecoder(mapping, type -> ValueFormat.TEXT, output::add);
    mapped.startStream(true);
    mapped.decode(
        PgOutputMessages.relation(
            new Relation(
                PEOPLE,
                "public",
                "people",
                List.of(column("uid"), column("state"), column("created_at")))),
        1);
    mapped.decode(PgOutputMessages.begin(1000, 1_000_000, 77), 10);
    return mapped;
  }

  private static List<Object> person(String id, String state) {
    // Without the time that every other row must have.
    return Arrays.asList(id, state, null);
  }

  private List<String> kinds() {
    return changes().stream()
        .map(change -> change.kind() + " " + ((UserRow) change.row()).userId())
        .toList();
  }

  @Test
  void rowOfAnErasedUserErasesAndIsNotRead() {
    StreamDecoder mapped =
        decoderOf("users: {table: people, columns: {user_id: uid}, erased_when: {state: deleted}}");
    mapped.decode(PgOutputMessages.insert(PEOPLE, person("u", "deleted")), 100);
    mapped.decode(
        PgOutputMessages.update(PEOPLE, 'O', person("v", "live"), person("v", "deleted")), 108);
    // Nothing of who is erased has changed.
    mapped.decode(
        PgOutputMessages.update(PEOPLE, 'O', person("v", "deleted"), person("v", "deleted")), 116);
    mapped.decode(
        PgOutputMessages.update(PEOPLE, 'O', person("v", "deleted"), person("w", "deleted")), 124);
    mapped.decode(PgOutputMessages.delete(PEOPLE, 'O', person("w", "deleted")), 132);
    assertThat(kinds()).containsExactly("ERASE u", "ERASE v", "DELETE v", "ERASE w", "DELETE w");
    assertThat(changes()).allSatisfy(change -> assertThat(change.after()).isNull());
    mapped.decode(PgOutputMessages.commit(200), 200);
    // The end decides: it is passed on.
    assertThat(output.get(output.size() - 1).left().progress().commitLsn()).isEqualTo(200);
  }

  @Test
  void rowThatDoesNotEraseAnyMoreIsInserted() {
    StreamDecoder mapped =
        decoderOf(
            """
            users:
              table: people
              columns: {user_id: uid, created_at: {constant: 2026-01-01T00:00:00Z}}
              erased_when: {state: deleted}
            """);
    mapped.decode(
        PgOutputMessages.update(PEOPLE, 'O', person("v", "deleted"), person("v", "live")), 100);
    assertThat(kinds()).containsExactly("INSERT v");
    assertThat(changes().get(0).before()).isNull();
  }

  @Test
  void requestErasesAndItsDeleteTakesItBack() {
    StreamDecoder mapped =
        decoderOf(
            """
            users: none
            erased: {table: people, columns: {user_id: uid}, where: {state: approved}}
            """);
    mapped.decode(PgOutputMessages.insert(PEOPLE, person("t", "asked")), 100);
    mapped.decode(
        PgOutputMessages.update(PEOPLE, 'O', person("t", "asked"), person("t", "approved")), 108);
    mapped.decode(PgOutputMessages.insert(PEOPLE, person("u", "approved")), 116);
    mapped.decode(PgOutputMessages.delete(PEOPLE, 'O', person("u", "approved")), 124);
    assertThat(kinds()).containsExactly("ERASE t", "ERASE u", "DELETE u");
  }
}
