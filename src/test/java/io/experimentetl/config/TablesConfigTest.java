package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.FactTable;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.RowFilter;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.mapping.TimeUnit;
import io.experimentetl.model.SourceTable;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TablesConfigTest {
  private static final Map<String, String> SECRETS =
      Map.of("EXPERIMENT_ETL_SOURCE_PASSWORD", "p", "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "p");

  private static SourceMapping mapping(String tables) {
    return JobConfig.parse(
            "file", "source:\n  schema: app\n  tables:\n" + tables.indent(4), SECRETS)
        .source()
        .tables();
  }

  private static ColumnBinding column(SourceMapping mapping, String entry, String column) {
    return mapping.entry(entry).columns().get(column);
  }

  @Test
  void withoutEntriesEveryTableHasItsOwnName() {
    SourceMapping mapping =
        JobConfig.parse("file", "source: {schema: app}", SECRETS).source().tables();
    assertThat(mapping).isEqualTo(SourceMapping.defaults("app"));
    assertThat(mapping.reading("app", "events"))
        .extracting(TableBinding::entry)
        .containsExactly("events");
    assertThat(mapping.reading("public", "events")).isEmpty();
    assertThat(mapping.entry("users").columns().values()).allMatch(ColumnBinding::isPlain);
  }

  @Test
  void namesAreTakenAsTheyAreWritten() {
    SourceMapping mapping =
        mapping(
            """
            experiments: {table: '"A/B".Tests', columns: {id: test_id, key: '"the.key"', name: {column: 'a "b".c'}}}
            users: {table: people}
            """);
    TableBinding experiments = mapping.entry("experiments");
    assertThat(experiments.schema()).isEqualTo("A/B");
    assertThat(experiments.name()).isEqualTo("Tests");
    assertThat(experiments.columns().get("key").origin()).isEqualTo(new Origin.Column("the.key"));
    assertThat(experiments.columns().get("name").origin())
        .isEqualTo(new Origin.Column("a \"b\".c"));
    assertThat(mapping.entry("users").qualifiedName()).isEqualTo("app.people");
    assertThat(mapping.reading("A/B", "Tests")).containsExactly(experiments);
  }

  @Test
  void valueComesFromJsonConstantsOrSeveralColumns() {
    SourceMapping mapping =
        mapping(
            """
            events:
              columns:
                user_id: payload.user.id
                session_id: {column: "pay.load", path: '"x.y".0'}
                event_type: {constant: 7}
                request_id: [{constant: User}, kind, payload.nr]
              properties: [amount, currency]
            """);
    assertThat(column(mapping, "events", "user_id").origin())
        .isEqualTo(new Origin.JsonPath("payload", List.of("user", "id")));
    assertThat(column(mapping, "events", "session_id").origin())
        .isEqualTo(new Origin.JsonPath("pay.load", List.of("x.y", "0")));
    assertThat(column(mapping, "events", "event_type").origin())
        .isEqualTo(new Origin.Constant("7"));
    assertThat(column(mapping, "events", "request_id").origin())
        .isEqualTo(
            new Origin.Key(
                List.of(
                    new Origin.Constant("User"),
                    new Origin.Column("kind"),
                    new Origin.JsonPath("payload", List.of("nr")))));
    assertThat(column(mapping, "events", "properties").origin())
        .isEqualTo(new Origin.JsonObject(List.of("amount", "currency")));
    assertThat(mapping.entry("events").sourceColumns())
        .containsExactlyInAnyOrder(
            "amount",
            "currency",
            "experiment_id",
            "id",
            "kind",
            "pay.load",
            "payload",
            "timestamp");
  }

  @Test
  void timesHaveUnitsAndZonesAndValuesHaveOtherNames() {
    SourceMapping mapping =
        mapping(
            """
            experiments:
              columns: {starts_at: {column: begin, zone: Europe/Berlin}, seed: {column: s, values: {a: b}}}
              values: {status: {RUNNING: ACTIVE, 3: COMPLETED}}
            assignments: {columns: {assigned_at: {column: ts, unit: ms}}}
            """);
    assertThat(column(mapping, "experiments", "starts_at").zone()).isEqualTo("Europe/Berlin");
    assertThat(column(mapping, "experiments", "seed").values()).containsOnly(Map.entry("a", "b"));
    assertThat(column(mapping, "experiments", "status").values())
        .containsOnly(Map.entry("RUNNING", "ACTIVE"), Map.entry("3", "COMPLETED"));
    ColumnBinding created = column(mapping, "assignments", "created_at");
    assertThat(created.unit()).isEqualTo(TimeUnit.MILLIS);
    assertThat(created.absent()).isEqualTo(new Origin.Column("ts"));
  }

  @Test
  void unnamedColumnIsLookedForUnderItsNameAndOptionalOneIsAbsent() {
    SourceMapping mapping = mapping("users: {columns: {user_id: uid}}");
    Map<String, ColumnBinding> users = mapping.entry("users").columns();
    assertThat(users).containsOnlyKeys("user_id", "is_active", "created_at", "updated_at");
    assertThat(users.get("is_active").origin()).isEqualTo(new Origin.Column("is_active"));
    assertThat(users.get("is_active").absent()).isEqualTo(new Origin.Constant("true"));
  }

  @Test
  void platformMayHaveNoTableOfUsers() {
    SourceMapping mapping = mapping("users: none");
    assertThat(mapping.hasUsers()).isFalse();
    assertThat(mapping.entry("users")).isNull();
    assertThat(mapping.reading("app", "users")).isEmpty();
    assertThat(mapping("users: {}").hasUsers()).isTrue();
  }

  @Test
  void rowsOfUsersAndRequestsEraseUsers() {
    SourceMapping mapping =
        mapping(
            """
            users: none
            erased: {table: gdpr.requests, columns: {user_id: [{constant: U}, nr]}, where: {done: true}}
            """);
    TableBinding requests = mapping.reading("gdpr", "requests").get(0);
    assertThat(requests.holdsRequests()).isTrue();
    assertThat(requests.erasedWhen()).isEqualTo(RowFilter.ALL);
    assertThat(requests.sourceColumns()).containsExactlyInAnyOrder("nr", "done");
    assertThat(mapping.hasUsers()).isFalse();
    assertThat(mapping.of(SourceTable.USERS)).isEmpty();
    assertThat(mapping.erasing()).containsExactly(requests);
    SourceMapping users = mapping("users: {erased_when: {state: [deleted, banned]}}");
    assertThat(users.entry("users").erasedWhen())
        .isEqualTo(
            new RowFilter(
                List.of(
                    new RowFilter.Condition("state", Set.of("deleted", "banned"), false, false))));
    assertThat(users.entry("users").sourceColumns()).contains("state");
    assertThat(users.erasing()).containsExactly(users.entry("users"));
  }

  @Test
  void variantsMayBeElementsOfAList() {
    SourceMapping mapping =
        mapping(
            """
            experiments: {table: ab.tests, columns: {id: uuid, key: slug}, where: {live: true}}
            variants: {column: setup, path: arms.all, columns: {key: arm}, control: {arm: a}}
            assignments: {columns: {experiment_id: {key: t}, variant_id: {key: v}}}
            events: none
            """);
    TableBinding lists = mapping.entry("variants");
    assertThat(lists.qualifiedName()).isEqualTo("ab.tests");
    assertThat(lists.where()).isEqualTo(mapping.entry("experiments").where());
    assertThat(lists.sourceColumns()).containsExactlyInAnyOrder("slug", "setup", "live");
    assertThat(lists.columns().get("config").origin())
        .isEqualTo(new Origin.JsonPath("setup", List.of("arms", "all")));
    assertThat(lists.elements().columns().get("name").origin()).isEqualTo(new Origin.Column("arm"));
    assertThat(mapping.variantsNameOtherIds()).isFalse();
    assertThat(mapping.variantsAreNumberedByKey()).isTrue();
    assertThatThrownBy(
            () -> mapping("variants: {column: c, table: t, path: a..b, columns: {config: d}}"))
        .message()
        .contains(
            "source.tables.variants.table: stands beside column.",
            "source.tables.variants.path: \"a..b\" is not a path.",
            "source.tables.variants.columns.config: is not a column of variants.");
  }

  @Test
  void filterHasValuesListsNullAndNotNull() {
    SourceMapping mapping =
        mapping(
            """
            events: {where: {status: [paid, 7, null], deleted_at: null, paid_at: not null, test: false}}
            variants: {control: {key: [control, "off"]}}
            """);
    assertThat(mapping.entry("events").where().conditions())
        .containsExactly(
            new RowFilter.Condition("status", Set.of("paid", "7"), true, false),
            new RowFilter.Condition("deleted_at", Set.of(), true, false),
            new RowFilter.Condition("paid_at", Set.of(), false, true),
            new RowFilter.Condition("test", Set.of("false"), false, false));
    assertThat(column(mapping, "variants", "is_control").origin())
        .isEqualTo(
            new Origin.Matches(
                new RowFilter(
                    List.of(
                        new RowFilter.Condition("key", Set.of("control", "off"), false, false)))));
  }

  @Test
  void tableOfExposuresGivesEventsOfTheExposureEvent() {
    SourceMapping mapping =
        JobConfig.parse(
                "file",
                """
                source: {tables: {exposures: {table: ab.views}, events: none}}
                statistics: {exposure-event: seen}
                """,
                SECRETS)
            .source()
            .tables();
    assertThat(mapping.of(SourceTable.EVENTS))
        .extracting(TableBinding::entry)
        .containsExactly("exposures");
    assertThat(column(mapping, "exposures", "event_type").origin())
        .isEqualTo(new Origin.Constant("seen"));
    assertThat(column(mapping, "exposures", "id").origin())
        .isEqualTo(new Origin.EventKey("exposures", new Origin.Column("id")));
  }

  @Test
  void referencesByKeyNumberExperimentsAndVariantsByKey() {
    SourceMapping mapping =
        mapping(
            """
            experiments: {columns: {id: uuid, key: slug}}
            assignments: {columns: {experiment_id: {key: flag}, variant_id: {key: value}}}
            exposures: {table: views, columns: {experiment_id: {key: f}, variant_id: {key: v}}}
            events: none
            """);
    Origin experiment = new Origin.Number(SourceTable.EXPERIMENTS, new Origin.Column("f"), true);
    assertThat(column(mapping, "exposures", "experiment_id").origin()).isEqualTo(experiment);
    assertThat(column(mapping, "exposures", "variant_id").origin())
        .isEqualTo(
            new Origin.Number(
                SourceTable.VARIANTS,
                new Origin.Key(List.of(experiment, new Origin.Column("v"))),
                true));
    assertThat(column(mapping, "experiments", "id").origin())
        .isEqualTo(new Origin.Number(SourceTable.EXPERIMENTS, new Origin.Column("slug"), true));
    assertThat(column(mapping, "experiments", "source_id").origin())
        .isEqualTo(new Origin.Column("uuid"));
  }

  @Test
  void everyMistakeIsReportedAtOnceWithItsRemedy() {
    assertThatThrownBy(
            () ->
                mapping(
                    """
                    experimnts: {}
                    experiments: {tabel: x, columns: {start_at: begin, status: {column: s, values: {A: B}}}, values: {status: {C: D}}}
                    variants: {control: {key: c}, columns: {is_control: c, key: 3}}
                    users: {columns: {email: {column: e, unit: ms}, name: {key: n}}, properties: [], erased_when: []}
                    erased: {columns: {email: e}, erased_when: {a: b}}
                    assignments: {table: a.b.c, columns: {assigned_at: {column: t, unit: min, zone: Berlin}, context: {column: c, constant: d}}}
                    events: {columns: {user_id: payload..id}, where: {a: [], b: {c: d}}}
                    facts:
                      - {name: orders, retention: soon}
                      - {name: orders, table: o, event_type: t, columns: {event_type: u, fact: f}, experiment: any}
                      - {table: p, mutable: maybe, nam: q}
                      - {name: track, table: t, columns: {experiment_id: e}, values: {experiment_id: {A: 1}}, experiment: assigned}
                    """))
        .isInstanceOf(InvalidConfigurationException.class)
        .message()
        .contains(
            "source.tables.experimnts: is not a key of source.tables.",
            "Did you mean experiments?",
            "source.tables.experiments.tabel: is not a key of source.tables.experiments.",
            "Did you mean table?",
            "source.tables.experiments.columns.start_at: is not a column of experiments.",
            "Did you mean starts_at?",
            "source.tables.experiments.values.status: renames values that columns.status renames too.",
            "source.tables.variants.control: stands beside columns.is_control.",
            "source.tables.variants.columns.key: is 3, not a column.",
            "source.tables.users.columns.email: has a unit or a zone, and is no column of times.",
            "source.tables.users.columns.name.key: stands where nothing refers to an experiment or a variant.",
            "source.tables.users.properties: is an empty list, not a list with at least one column.",
            "source.tables.users.erased_when: is an empty list, not a group of columns.",
            "source.tables.erased: stands beside a table of users.",
            "source.tables.erased.table: is missing. Name the table that holds the requests of erasure.",
            "source.tables.erased.columns.email: is not a column of users. Use one of user_id.",
            "source.tables.erased.erased_when: is not a key of source.tables.erased.",
            "source.tables.assignments.table: \"a.b.c\" is not the name of a table.",
            "source.tables.assignments.columns.assigned_at.unit: is \"min\", which is not one of its values.",
            "source.tables.assignments.columns.assigned_at.zone: \"Berlin\" is not a time zone.",
            "source.tables.assignments.columns.context: has column and constant, which contradict each other.",
            "source.tables.events.columns.user_id: \"payload..id\" is not the name of a column.",
            "source.tables.events.where.a: is an empty list, which no value meets.",
            "source.tables.events.where.b: has a group of keys, not a value.",
            "source.tables.facts[0].retention: is \"soon\", not a duration.",
            "source.tables.facts[0].table: is missing. Name the table that holds the metric events of orders.",
            "source.tables.facts[1].name: \"orders\" is the name of another entry too.",
            "source.tables.facts[1].event_type: stands beside columns.event_type.",
            "source.tables.facts[1].columns.fact: is not a column of events.",
            "source.tables.facts[1].experiment: is \"any\", which is not one of its values.",
            "source.tables.facts[2].name: is missing.",
            "source.tables.facts[2].mutable: is \"maybe\", not true or false.",
            "source.tables.facts[2].nam: is not a key of source.tables.facts[2].",
            "source.tables.facts[3].columns.experiment_id: stands beside experiment: assigned, whose rows belong to no single experiment.",
            "source.tables.facts[3].values.experiment_id: renames the values of a constant.");
  }

  @Test
  void rowsOfAssignedExperimentsNameNoneByIdOrKey() {
    SourceMapping mapping =
        mapping(
            """
            assignments: {columns: {experiment_id: {key: test}, variant_id: {key: arm}}}
            exposures: {table: views, columns: {experiment_id: {key: test}, variant_id: {key: arm}}}
            events: {experiment: assigned}
            facts:
              - {name: orders, table: shop.orders, event_type: {constant: purchase}, experiment: assigned}
            """);
    assertThat(mapping.hasSharedFacts()).isTrue();
    assertThat(mapping.entry("exposures").isShared()).isFalse();
    assertThat(mapping.entry("events").isShared()).isTrue();
    assertThat(column(mapping, "facts.orders", "experiment_id").origin())
        .isEqualTo(new Origin.Constant("0"));
    assertThat(mapping.entry("facts.orders").columns()).doesNotContainKey("variant_id");
    assertThat(SourceMapping.defaults("public").hasSharedFacts()).isFalse();
    assertThat(
            mapping("events: {columns: {experiment_id: {constant: 0}}}\n")
                .entry("events")
                .isShared())
        .isFalse();
  }

  @Test
  void tablesOfMetricEventsSayWhetherTheirRowsChangeAndStay() {
    SourceMapping mapping =
        mapping(
            """
            facts:
              - {name: orders, table: shop.orders, columns: {id: [shop, nr]}, event_type: {constant: purchase}, properties: [amount], mutable: true, retention: none}
              - {name: track, table: log, event_type: name, properties: payload.data, retention: 30d}
              - {name: more, table: log}
            """);
    assertThat(mapping.facts())
        .containsExactly(
            new FactTable("orders", true, FactTable.FOR_EVER),
            new FactTable("track", false, Duration.ofDays(30)),
            new FactTable("more", false, null));
    assertThat(column(mapping, "facts.orders", "id").origin())
        .isEqualTo(
            new Origin.EventKey(
                "orders",
                new Origin.Key(List.of(new Origin.Column("shop"), new Origin.Column("nr")))));
    assertThat(column(mapping, "facts.orders", "fact").origin())
        .isEqualTo(new Origin.Constant("orders"));
    assertThat(column(mapping, "facts.track", "properties").origin())
        .isEqualTo(new Origin.JsonPath("payload", List.of("data")));
    assertThat(column(mapping, "facts.track", "event_type").origin())
        .isEqualTo(new Origin.Column("name"));
  }

  @Test
  void metricNamesATableThatIsThere() {
    assertThatThrownBy(
            () ->
                JobConfig.parse(
                    "file",
                    """
                    source: {tables: {facts: [{name: orders, table: o}]}}
                    statistics:
                      metrics:
                        - {name: a, kind: count, event-type: purchase, fact: order}
                        - {name: b, kind: ratio, event-type: purchase, denominator: {event-type: exposure, fact: orders}}
                    """,
                    SECRETS))
        .message()
        .contains(
            "statistics.metrics[0].fact: \"order\" is not the name of an entry of source.tables.facts. Use one of orders. Did you mean orders?",
            "statistics.metrics[1].denominator.fact: stands beside the event type of exposures");
  }

  @Test
  void factsNameExperimentsAllByKeyOrAllById() {
    assertThatThrownBy(() -> mapping("assignments: {columns: {experiment_id: {key: flag}}}"))
        .message()
        .contains(
            "source.tables.events.columns.experiment_id: names experiments by id, while assignments names them by key.",
            "events: none");
  }

  @Test
  void maskedTableKeepsItsOtherColumns() {
    Map<String, String> secrets = new HashMap<>(SECRETS);
    secrets.put("EXPERIMENT_ETL_SOURCE_TABLES_MASK_KEY", "k");
    TableBinding users =
        JobConfig.parse(
                "file", "source: {tables: {mask: {users.email: hmac, users.name: drop}}}", secrets)
            .source()
            .tables()
            .entry("users");
    Origin.Masked masked = (Origin.Masked) users.columns().get("email").origin();
    assertThatThrownBy(masked.key()::value)
        .hasMessageContaining("name a file with the key mask-key-file");
    assertThat(users.columns()).doesNotContainKey("name").containsKeys("user_id", "properties");
    assertThat(users.mapped()).isFalse();
    assertThat(users.toString()).contains("EXPERIMENT_ETL_SOURCE_TABLES_MASK_KEY");
  }

  @Test
  void tableOfMetricEventsIsMaskedByItsName() {
    Map<String, String> secrets = new HashMap<>(SECRETS);
    secrets.put("EXPERIMENT_ETL_SOURCE_TABLES_MASK_KEY", "k");
    SourceMapping mapping =
        JobConfig.parse(
                "file",
                """
                source:
                  tables:
                    facts: [{name: a, table: a, columns: {session_id: s}}, {name: b, table: b, columns: {session_id: s}, mutable: true}]
                    mask: {facts.b.session_id: hmac}
                """,
                secrets)
            .source()
            .tables();
    assertThat(column(mapping, "facts.a", "session_id").origin()).isEqualTo(new Origin.Column("s"));
    assertThat(column(mapping, "facts.b", "session_id").origin()).isInstanceOf(Origin.Masked.class);
    assertThat(mapping.entry("facts.b").fact()).isEqualTo(new FactTable("b", true, null));
  }

  @Test
  void everyMistakeOfAMaskIsReportedAtOnce() {
    assertThatThrownBy(
            () ->
                mapping(
                    """
                    assignments: {columns: {context: {column: c, values: {A: B}}}}
                    mask: {users.user_id: hmac, users.email: hash, users.properties: hmac, events.device_id: hmac, nothing: drop}
                    mask-key: secret
                    """))
        .message()
        .contains(
            "source.tables.mask.users.user_id: is no column that can be masked.",
            "source.tables.mask.users.email: is \"hash\".",
            "source.tables.mask.users.properties: is hmac of a JSON column.",
            "source.tables.mask.nothing: is no column that can be masked.",
            "source.tables.mask-key: is in the file, where a secret does not belong.",
            "The environment variable EXPERIMENT_ETL_SOURCE_TABLES_MASK_KEY is not set.",
            "name a file with the key mask-key-file")
        .doesNotContain("secret\"");
  }

  @Test
  void topicIsReadByOneEntry() {
    assertThatThrownBy(
            () ->
                JobConfig.parse(
                    "file",
                    "source: {type: kafka, tables: {exposures: {table: ab.log}, events: {table: log}}}",
                    SECRETS))
        .message()
        .contains(
            "source.tables.events.table: has the topic of tables.exposures, because both tables have the name log.");
  }
}
