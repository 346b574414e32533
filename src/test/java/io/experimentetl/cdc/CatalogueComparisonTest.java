package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.cdc.Catalogues.Altered;
import io.experimentetl.cdc.SourceCatalogue.Membership;
import io.experimentetl.cdc.SourceCatalogue.Publication;
import io.experimentetl.cdc.SourceCatalogue.Relation;
import io.experimentetl.model.SourceTable;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.assertj.core.api.ListAssert;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CatalogueComparisonTest {
  private static final SourceCatalogue BEFORE = Catalogues.inOrder();

  private static ListAssert<String> assertSuspicions(SourceCatalogue now) {
    return assertThat(
        CatalogueComparison.between(BEFORE, now, List.of()).stream()
            .map(suspicion -> suspicion.kind() + " " + suspicion.sentence())
            .toList());
  }

  private static SourceCatalogue altered(String name, UnaryOperator<Altered> alteration) {
    return Catalogues.with(
        BEFORE, name, relation -> alteration.apply(new Altered(relation)).build());
  }

  @Test
  void sourceInOrderIsNoSuspicionAndNoFault() {
    assertSuspicions(Catalogues.inOrder()).isEmpty();
    assertThat(CatalogueComparison.faults(BEFORE, "p", Set.of())).isEmpty();
  }

  @Test
  void tableThatWasOutOfThePublicationIsSuspected() {
    assertSuspicions(
            altered("users", users -> users.membership(new Membership("500", "700", "999 720"))))
        .containsExactly(
            "PUBLICATION users was taken out of the publication and added again, or its filter or column list changed");
  }

  @Test
  void tableThatIsOutOfThePublicationIsAFaultAndNotYetCompared() {
    SourceCatalogue now =
        altered(
            "assignments",
            assignments ->
                assignments.published(false).membership(new Membership("500", "700", "")));

    assertSuspicions(now).isEmpty();
    assertThat(CatalogueComparison.faults(now, "p", Set.of()))
        .singleElement()
        .satisfies(
            fault -> {
              assertThat(fault.table()).isEqualTo(SourceTable.ASSIGNMENTS);
              assertThat(fault.losesChanges()).isTrue();
              assertThat(fault.sentence())
                  .isEqualTo(
                      "assignments is not in the publication: apply sql/postgres/002_etl.sql.");
            });
  }

  @Test
  void publicationMadeAgainSuspectsEveryTable() {
    SourceCatalogue now = Catalogues.with(BEFORE, new Publication("501", "730", true, true, false));

    assertSuspicions(now)
        .hasSize(SourceTable.values().length)
        .allMatch(text -> text.endsWith("is in a publication that was dropped and created again"));
  }

  @Test
  void optionsThatWereSetAndSetBackSuspectEveryTable() {
    SourceCatalogue now = Catalogues.with(BEFORE, new Publication("500", "731", true, true, false));

    assertSuspicions(now)
        .hasSize(SourceTable.values().length)
        .allMatch(text -> text.endsWith("is in a publication whose options were set"));
  }

  @Test
  void missingPublicationIsOneFault() {
    SourceCatalogue now = new SourceCatalogue(null, BEFORE.relations(), BEFORE.enums());

    assertThat(CatalogueComparison.faults(now, "experiment_etl", Set.of()))
        .singleElement()
        .extracting(StreamFault::sentence)
        .asString()
        .startsWith(
            "the publication experiment_etl does not exist: apply sql/postgres/002_etl.sql, and read everything again");
  }

  @ParameterizedTest
  @CsvSource({
    "variants, FILTER, variants has a row filter in the publication, true",
    "users, COLUMNS, users has a column list in the publication, true",
    "events_default, UNLOGGED, 'events_default is unlogged, so its changes are not in the WAL', true",
    "events_2026_03, KEY, 'events_2026_03 has no REPLICA IDENTITY FULL, so updates and deletes arrive without the old row', false",
    "users, POLICY, 'users has row security that applies to the job''s role, which hides rows from it', false",
    "experiments, GENERATED, 'experiments generates the column name, which PostgreSQL does not send', false"
  })
  void faultNamesTheRelationAndSaysWhetherChangesAreLost(
      String relation, String what, String sentence, boolean losesChanges) {
    SourceCatalogue now =
        altered(
            relation,
            same ->
                switch (what) {
                  case "FILTER" -> same.rowFilter();
                  case "COLUMNS" -> same.columnList();
                  case "UNLOGGED" -> same.unlogged();
                  case "KEY" -> same.keyIdentity();
                  case "POLICY" -> same.rowSecurity();
                  default -> same.generated("name");
                });

    assertThat(CatalogueComparison.faults(now, "p", Set.of()))
        .singleElement()
        .satisfies(
            fault -> {
              assertThat(fault.sentence()).startsWith(sentence + ": ");
              assertThat(fault.losesChanges()).isEqualTo(losesChanges);
              assertThat(fault.hidesRows()).isEqualTo(what.equals("POLICY"));
            });
  }

  @Test
  void publicationThatLeavesOutDeletesOrPartitionsIsAFault() {
    assertThat(
            CatalogueComparison.faults(
                Catalogues.with(BEFORE, new Publication("500", "700", false, false, false)),
                "p",
                Set.of()))
        .extracting(StreamFault::losesChanges)
        .containsExactly(true, true);
  }

  @Test
  void anotherFileOfATableOrOfOneOfItsPartitionsIsSuspected() {
    assertSuspicions(altered("users", users -> users.fileNode(1)))
        .containsExactly("FILE users was truncated or rewritten");
    assertSuspicions(altered("events_default", leaf -> leaf.fileNode(99_999)))
        .containsExactly("FILE events_default was truncated or rewritten");
  }

  @Test
  void partitionThatCameOrWentOrDidBothIsSuspected() {
    Relation april =
        Catalogues.partition(
            "events_2026_04",
            41,
            "FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00')");

    assertSuspicions(Catalogues.and(BEFORE, april))
        .containsExactly("ATTACHED events_2026_04 became a partition");
    assertSuspicions(Catalogues.without(BEFORE, "events_2026_03"))
        .containsExactly("DETACHED events_2026_03 was detached or dropped");
    assertSuspicions(altered("events_2026_03", leaf -> leaf.attachment("740")))
        .containsExactly("ATTACHED events_2026_03 was detached and attached again");
  }

  private static ListAssert<String> assertKinds(SourceCatalogue now, String... writers) {
    return assertThat(
        CatalogueComparison.between(
                BEFORE,
                now,
                Stream.of(writers)
                    .flatMap(writer -> PartitionAnnouncement.parse(writer).stream())
                    .toList())
            .stream()
            .map(suspicion -> suspicion.kind() + " " + suspicion.relation())
            .toList());
  }

  /** A partition that the catalogues name has the attachment 710. */
  @Test
  void announcementExcusesOnlyThePartitionAsItWasAndIs() {
    SourceCatalogue attached =
        Catalogues.and(
            BEFORE,
            Catalogues.partition(
                "events_2026_04",
                41,
                "FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00')"));
    assertKinds(attached, "partition attach 41 - 710 events_2026_04")
        .containsExactly("ANNOUNCED events_2026_04");
    assertKinds(attached, "partition attach 41 - 709 events_2026_04")
        .as("attached by hand behind the announcement")
        .containsExactly("ATTACHED events_2026_04");
    assertKinds(attached, "partition attach 42 - 710 events_2026_04")
        .containsExactly("ATTACHED events_2026_04");

    SourceCatalogue dropped = Catalogues.without(BEFORE, "events_2026_03");
    assertKinds(dropped, "partition detach 31 710 - a name / with blanks")
        .containsExactly("ANNOUNCED events_2026_03");
    assertKinds(dropped, "partition detach 31 700 - events_2026_03")
        .containsExactly("DETACHED events_2026_03");
    assertKinds(dropped, "partition vacuum-full 31 710 - events_2026_03", "partition detach 31")
        .containsExactly("DETACHED events_2026_03");
  }

  @Test
  void announcementsOfOnePartitionFollowEachOther() {
    SourceCatalogue moved = altered("events_default", leaf -> leaf.attachment("740"));
    assertKinds(moved, "partition attach 99 710 740 events_default")
        .containsExactly("ANNOUNCED events_default");
    assertKinds(
            moved,
            "partition attach 99 725 740 events_default",
            "partition attach 99 710 725 events_default")
        .containsExactly("ANNOUNCED events_default");
    assertKinds(moved, "partition attach 99 725 740 events_default")
        .as("detached by hand before the announcement")
        .containsExactly("ATTACHED events_default");
  }

  @Test
  void announcedFullVacuumIsComparedAllTheSame() {
    SourceCatalogue rewritten = altered("events_default", leaf -> leaf.fileNode(99_999));
    long file =
        BEFORE.of(SourceTable.EVENTS).stream()
            .filter(leaf -> leaf.name().equals("events_default"))
            .findAny()
            .orElseThrow()
            .fileNode();
    assertThat(
            CatalogueComparison.between(
                BEFORE,
                rewritten,
                PartitionAnnouncement.parse(
                        "partition vacuum-full 99 " + file + " - events_default")
                    .stream()
                    .toList()))
        .singleElement()
        .satisfies(
            suspicion -> {
              assertThat(suspicion.kind()).isEqualTo(SuspicionKind.FILE);
              assertThat(suspicion.reason()).contains("an announced VACUUM FULL");
            });
    assertKinds(rewritten, "partition vacuum-full 99 1 - events_default")
        .containsExactly("FILE events_default");
  }

  @Test
  void columnThatCameIsSuspectedAndOneThatWentIsNot() {
    assertSuspicions(altered("users", users -> users.columns(Map.of("id", 1, "name", 9))))
        .containsExactly("COLUMN users got the column name");
    assertSuspicions(altered("users", users -> users.columns(Map.of("id", 8))))
        .containsExactly("COLUMN users got the column id");
    assertSuspicions(altered("users", users -> users.columns(Map.of()))).isEmpty();
  }

  @Test
  void labelThatWasRenamedIsSuspectedAndANewOneIsNot() {
    assertSuspicions(Catalogues.withLabels(BEFORE, "DRAFT", "ACTIVE", "PAUSED")).isEmpty();
    assertSuspicions(Catalogues.withLabels(BEFORE, "DRAFT", "RUNNING"))
        .containsExactly(
            "LABEL experiments has a column status whose enum lost or renamed a label");
  }

  @Test
  void policyThatNoLongerAppliesIsSuspected() {
    SourceCatalogue hidden = altered("users", Altered::rowSecurity);

    assertThat(CatalogueComparison.between(hidden, BEFORE, List.of()))
        .extracting(Suspicion::kind)
        .containsExactly(SuspicionKind.HIDDEN);
  }

  @Test
  void settledTableIsComparedFromThenOn() {
    SourceCatalogue now =
        Catalogues.with(
            altered("users", users -> users.fileNode(1)),
            "variants",
            variants -> new Altered(variants).fileNode(2).build());

    assertThat(CatalogueComparison.between(BEFORE.with(SourceTable.USERS, now), now, List.of()))
        .extracting(Suspicion::relation)
        .containsExactly("variants");
  }

  @Test
  void stateKeepsTheCatalogue() {
    WatchMemory memory =
        new WatchMemory(BEFORE, Map.of("users", "text"), java.util.Set.of(SourceTable.USERS));

    assertThat(WatchMemory.parse(memory.print())).isEqualTo(memory);
    assertThat(WatchMemory.parse(WatchMemory.START.print())).isEqualTo(WatchMemory.START);
  }

  @ParameterizedTest
  @CsvSource({
    "2026-03-01 00:00:00+00, 2026-04-01 00:00:00+00, 20513, 20544",
    "1970-01-01 23:00:00+00, 1970-01-02 12:30:00.5+00, 0, 1",
    "1969-12-31 00:00:00+00, 1970-01-01 00:00:00+00, -1, 0"
  })
  void boundOfAPartitionByTimeGivesItsDays(String from, String to, int first, int last) {
    assertThat(DayRange.ofBound("FOR VALUES FROM ('%s') TO ('%s')".formatted(from, to)))
        .contains(new DayRange(first, last));
  }

  @Test
  void otherBoundsGiveNoDays() {
    assertThat(DayRange.ofBound(null)).isEqualTo(Optional.empty());
    assertThat(DayRange.ofBound("DEFAULT")).isEmpty();
    assertThat(DayRange.ofBound("FOR VALUES FROM (MINVALUE) TO ('2026-03-01 00:00:00+00')"))
        .isEmpty();
    assertThat(DayRange.ofBound("FOR VALUES FROM ('a') TO ('b')")).isEmpty();
    assertThat(DayRange.ofBound("FOR VALUES IN ('2026-03-01 00:00:00+00')")).isEmpty();
    assertThat(DayRange.ofBound("FOR VALUES WITH (modulus 2, remainder 0)")).isEmpty();
  }
}
