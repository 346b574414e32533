package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.JobConfig;
import io.experimentetl.mapping.EntityNumber;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.VariantRow;
import io.experimentetl.postgres.pgoutput.PgOutputMessages;
import io.experimentetl.postgres.pgoutput.Relation;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Variants in a JSON column of experiments, as PostgreSQL's stream has them. */
class ListedRowsDecoderTest {
  private static final int TEXT = 25;
  private static final int TESTS = 700;
  private static final String A = "{\"arm\": \"a\", \"weight\": 0.5, \"control\": true}";
  private static final String B = "{\"arm\": \"b\", \"weight\": 1}";
  private static final String HEAVY_B = "{\"arm\": \"b\", \"weight\": 2}";

  private final List<Either<ReaderNotice, Change>> output = new ArrayList<>();
  private final SourceMapping mapping =
      JobConfig.parse(
              "file",
              """
              source:
                tables:
                  experiments: {table: tests, columns: {id: test, key: test}}
                  variants: {column: setup, path: arms, columns: {key: arm, allocation_pct: weight}, control: {control: true}}
                  assignments: {columns: {experiment_id: {key: test}, variant_id: {key: arm}}}
                  events: none
              """,
              Map.of(
                  "EXPERIMENT_ETL_SOURCE_PASSWORD", "-", "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "-"))
          .source()
          .tables();
  private final StreamDecoder decoder =
      new StreamDecoder(mapping, type -> ValueFormat.TEXT, output::add);

  @BeforeEach
  void begin() {
    decoder.startStream(true);
    decoder.decode(
        PgOutputMessages.relation(
            new Relation(
                TESTS,
                "public",
                "tests",
                List.of(new Relation.Column("test", TEXT), new Relation.Column("setup", TEXT)))),
        1);
    decoder.decode(PgOutputMessages.begin(1000, 1_000_000, 77), 10);
  }

  private static List<Object> test(String... arms) {
    return List.of("checkout", "{\"arms\": [" + String.join(", ", arms) + "]}");
  }

  /** Kind and key of the variants' changes, at positions of their own. */
  private List<String> changes() {
    List<Change> changes = output.stream().filter(Either::isRight).map(Either::right).toList();
    assertThat(changes).extracting(Change::position).doesNotHaveDuplicates();
    return changes.stream()
        .filter(change -> change.table() == SourceTable.VARIANTS)
        .map(change -> change.kind() + " " + shown(change))
        .toList();
  }

  /** The key of the variant, or what is wrong with the list. */
  private static String shown(Change change) {
    if (!(change.after() instanceof UnreadableRow row)) {
      return ((VariantRow) change.row()).key();
    }
    assertThat(row.subject())
        .isEqualTo(Subject.experiment(EntityNumber.of(SourceTable.EXPERIMENTS, "checkout")));
    assertThat(row.column()).isEqualTo("setup");
    return row.reason().replace("The list of variants cannot be read as it is. ", "");
  }

  @Test
  void elementsOfANewRowAreVariantsOfIt() {
    decoder.decode(PgOutputMessages.insert(TESTS, test(A, B)), 100);
    assertThat(changes()).containsExactly("INSERT a", "INSERT b");
    long experiment = EntityNumber.of(SourceTable.EXPERIMENTS, "checkout");
    VariantRow a = (VariantRow) output.get(output.size() - 2).right().after();
    assertThat(a.experimentId()).isEqualTo(experiment);
    assertThat(a.id()).isEqualTo(EntityNumber.of(SourceTable.VARIANTS, experiment + ":a"));
    assertThat(a.name()).isEqualTo("a");
    assertThat(a.allocation()).isEqualTo(0.5);
    assertThat(a.control()).isTrue();
    assertThat(((VariantRow) output.get(output.size() - 1).right().after()).control()).isFalse();
  }

  @Test
  void changedListChangesWhatDiffers() {
    decoder.decode(
        PgOutputMessages.update(
            TESTS, 'O', test(A, B), test(HEAVY_B, "{\"arm\": \"c\", \"weight\": 1}")),
        100);
    assertThat(changes()).containsExactly("DELETE a", "UPDATE b", "INSERT c");
  }

  @Test
  void unsentListIsThatOfTheOldRow() {
    decoder.decode(
        PgOutputMessages.update(
            TESTS, 'O', test(A, B), List.of("checkout", PgOutputMessages.UNSENT)),
        100);
    assertThat(changes()).containsExactly("UPDATE a", "UPDATE b");
  }

  @Test
  void elementsGoWithTheirRow() {
    decoder.decode(PgOutputMessages.delete(TESTS, 'O', test(A, B)), 100);
    assertThat(changes()).containsExactly("DELETE a", "DELETE b");
  }

  @Test
  void restartSkipsTheElementsThatWerePassedOn() {
    decoder.decode(PgOutputMessages.insert(TESTS, test(A, B)), 100);
    List<Either<ReaderNotice, Change>> passedOn = List.copyOf(output);
    decoder.startStream(true);
    decoder.decode(PgOutputMessages.begin(1000, 1_000_000, 77), 10);
    decoder.decode(PgOutputMessages.insert(TESTS, test(A, B)), 100);
    assertThat(output.stream().filter(Either::isRight))
        .containsExactlyElementsOf(passedOn.stream().filter(Either::isRight).toList());
  }

  @Test
  void whatIsNoListIsReportedOfTheExperimentAndGivesNoVariant() {
    decoder.decode(
        PgOutputMessages.update(TESTS, 'O', test(A), List.of("checkout", "{\"arms\": {\"a\": 1}}")),
        100);
    assertThat(changes()).containsExactly("DELETE a", "UPDATE It is no JSON list.");
  }

  @Test
  void elementsWithoutAnIdOfTheirOwnAreReportedTogether() {
    decoder.decode(
        PgOutputMessages.insert(TESTS, test(A, "{\"weight\": 1}", B, "5", HEAVY_B)), 100);
    assertThat(changes())
        .containsExactly(
            "INSERT a",
            "INSERT b",
            "INSERT Element 2 has no arm that can be read. Element 4 has no arm that can be read. Element 5 has the id of one before it, which counts.");
  }

  @Test
  void elementWithAnIdIsReportedByIt() {
    String broken = "{\"arm\": \"b\", \"weight\": \"heavy\"}";
    decoder.decode(PgOutputMessages.update(TESTS, 'O', test(A, B), test(A, broken)), 100);
    Change update = output.get(output.size() - 1).right();
    assertThat(update.before()).isInstanceOf(VariantRow.class);
    assertThat(update.after())
        .isEqualTo(
            new UnreadableRow(
                SourceTable.VARIANTS,
                Subject.variant(((VariantRow) update.before()).id()),
                null,
                FindingCode.S_UNPARSEABLE,
                "weight",
                ((UnreadableRow) update.after()).reason()));
    decoder.decode(PgOutputMessages.update(TESTS, 'O', test(A, broken), test(A)), 200);
    Change delete = output.get(output.size() - 2).right();
    assertThat(delete.kind()).isEqualTo(ChangeKind.DELETE);
    assertThat(((VariantRow) delete.before()).id()).isEqualTo(((VariantRow) update.before()).id());
  }

  @Test
  void changesOfAListLeadFromItsVariantsToThoseOfTheNext() {
    Random random = new Random(16);
    String list = null;
    Map<Long, SourceRow> variants = new TreeMap<>();
    for (int i = 1; i <= 300; i++) {
      String next = i % 50 == 0 ? null : randomList(random);
      output.clear();
      if (list == null) {
        decoder.decode(PgOutputMessages.insert(TESTS, List.of("checkout", next)), 100L * i);
      } else if (next == null) {
        decoder.decode(PgOutputMessages.delete(TESTS, 'O', List.of("checkout", list)), 100L * i);
      } else {
        decoder.decode(
            PgOutputMessages.update(
                TESTS, 'O', List.of("checkout", list), List.of("checkout", next)),
            100L * i);
      }
      apply(variants);
      output.clear();
      if (next != null) {
        decoder.decode(PgOutputMessages.insert(TESTS, List.of("checkout", next)), 100L * i + 50);
      }
      Map<Long, SourceRow> anew = new TreeMap<>();
      apply(anew);
      assertThat(variants).as("%s, then %s", list, next).isEqualTo(anew);
      list = next;
    }
  }

  /** Also lists with keys that stand twice or not at all. */
  private static String randomList(Random random) {
    if (random.nextInt(10) == 0) {
      return List.of("{}", "{\"arms\": 1}", "{\"arms\": null}", "[]").get(random.nextInt(4));
    }
    List<String> arms = new ArrayList<>();
    for (int arm = random.nextInt(6); arm > 0; arm--) {
      String key = random.nextInt(8) == 0 ? "null" : "\"" + (char) ('a' + random.nextInt(5)) + "\"";
      arms.add("{\"arm\": %s, \"weight\": %d}".formatted(key, random.nextInt(3)));
    }
    return "{\"arms\": " + arms + "}";
  }

  private void apply(Map<Long, SourceRow> variants) {
    for (Either<ReaderNotice, Change> each : output) {
      Change change = each.isRight() ? each.right() : null;
      if (change == null || change.table() != SourceTable.VARIANTS) {
        continue;
      }
      if (change.kind() == ChangeKind.DELETE) {
        assertThat(variants.remove(((VariantRow) change.before()).id())).isEqualTo(change.before());
      } else if (change.after() instanceof VariantRow row) {
        assertThat(variants.put(row.id(), row)).isEqualTo(change.before());
      }
    }
  }
}
