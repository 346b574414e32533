package io.experimentetl;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The packages are the steps of a row's journey, and each uses only packages that are lower in
 * {@link #FROM_TOP_TO_BOTTOM}. Its package-info states which step a package is.
 */
class ArchitectureTest {
  private static final String OURS = "io.experimentetl";

  private static final List<String> FROM_TOP_TO_BOTTOM =
      Stream.of(
              ".local..",
              ".cli..",
              ".serve..",
              ".maintenance..",
              ".operations..",
              ".report..",
              // The job, its graph and its Kafka sinks.
              "",
              ".audit..",
              ".outbox..",
              ".replicate..",
              ".cdc..",
              ".attribution..",
              ".stats..",
              ".quality..",
              ".warehouse..",
              ".archive..",
              ".clickhouse..",
              ".postgres..",
              ".config..",
              ".mapping..",
              ".tls..",
              ".model..")
          .map(name -> OURS + name)
          .toList();

  /**
   * The DataSet API, source and sink functions, old sinks, old times, state backends. Not in it is
   * Sink.InitContext: 1.20 demands of every sink that it can create a writer with it.
   */
  private static final String REMOVED_BY_FLINK_2 =
      "org\\.apache\\.flink\\.("
          + String.join(
              "|",
              "api\\.java\\.(DataSet|ExecutionEnvironment|operators\\..*|io\\..*)",
              "api\\.common\\.(ExecutionMode|time\\.Time|restartstrategy\\.RestartStrategies)",
              "api\\.connector\\.sink2\\.(StatefulSink|TwoPhaseCommittingSink)",
              "streaming\\.api\\.connector\\.sink2\\.With.*Topology",
              "streaming\\.api\\.functions\\.source\\.(Rich|Parallel|RichParallel)?SourceFunction.*",
              "streaming\\.api\\.functions\\.sink\\.(Rich)?SinkFunction.*",
              "streaming\\.api\\.windowing\\.time\\.Time",
              "streaming\\.api\\.(CheckpointingMode|TimeCharacteristic)",
              "streaming\\.api\\.environment\\.CheckpointConfig\\$ExternalizedCheckpointCleanup",
              "runtime\\.state\\.(AbstractStateBackend|(filesystem\\.Fs|memory\\.Memory)StateBackend)",
              "contrib\\.streaming\\.state\\.RocksDBStateBackend")
          + ")";

  private static JavaClasses main;

  @BeforeAll
  static void readCompiledClasses() throws URISyntaxException {
    main =
        new ClassFileImporter()
            .importPath(
                Path.of(
                    ExperimentEtlJob.class
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI()))
            .that(resideInAPackage(OURS + ".."));
  }

  @Test
  void everyPackageBelongsToALayer() {
    classes().should().resideInAnyPackage(FROM_TOP_TO_BOTTOM.toArray(String[]::new)).check(main);
  }

  @Test
  void packageUsesOnlyLowerPackages() {
    for (int lower = 1; lower < FROM_TOP_TO_BOTTOM.size(); lower++) {
      noClasses()
          .that()
          .resideInAPackage(FROM_TOP_TO_BOTTOM.get(lower))
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(FROM_TOP_TO_BOTTOM.subList(0, lower).toArray(String[]::new))
          .allowEmptyShould(true)
          .check(main);
    }
  }

  @Test
  void packagesHaveNoCycle() {
    slices().matching(OURS + ".(*)..").should().beFreeOfCycles().check(main);
  }

  @Test
  void clickHouseSinkUsesNoOtherPackageButTls() {
    noClasses()
        .that()
        .resideInAPackage(OURS + ".clickhouse..")
        .should()
        .dependOnClassesThat(
            resideInAPackage(OURS + "..")
                .and(resideOutsideOfPackages(OURS + ".clickhouse..", OURS + ".tls..")))
        .check(main);
  }

  @Test
  void sourceAndOutboxDoNotUseEachOther() {
    noClasses()
        .that()
        .resideInAPackage(OURS + ".outbox..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage(OURS + ".cdc..")
        .check(main);
  }

  @Test
  void reportReadsOnlyTheViews() {
    noClasses()
        .that()
        .resideInAPackage(OURS + ".report..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(OURS, OURS + ".audit..", OURS + ".attribution..", OURS + ".stats..")
        .check(main);
  }

  @Test
  void noPackageOrClassIsACatchAll() {
    noClasses()
        .should()
        .resideInAnyPackage("..util..", "..common..", "..helper..", "..manager..")
        .orShould()
        .haveNameMatching(".*(Utils?|Helpers?|Managers?|Common)")
        .check(main);
  }

  @Test
  void noClassIsLoadedByName() {
    noClasses()
        .should()
        .callMethod(Class.class, "forName", String.class)
        .orShould()
        .callMethod(Class.class, "forName", String.class, boolean.class, ClassLoader.class)
        .check(main);
  }

  @Test
  void recordsThatTravelAndConfigurationKnowNoFlink() {
    noClasses()
        .that()
        .resideInAnyPackage(OURS + ".model..", OURS + ".mapping..", OURS + ".config..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.apache.flink..")
        .check(main);
  }

  /** Only operators, what they keep in state, and reporters use Flink's types. */
  @Test
  void decisionsKnowNoFlink() {
    noClasses()
        .that()
        .resideInAnyPackage(OURS + ".attribution..", OURS + ".stats..", OURS + ".quality..")
        .and()
        .haveNameNotMatching(".*(Operator|Serializer|TypeInfo|State|Store|Walk|Reporter).*")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.apache.flink..")
        .check(main);
  }

  /** Flink CDC for PostgreSQL exists for Flink 1.20 only; all else must follow Flink to 2. */
  @Test
  void onlyClassesThatTouchFlinkCdcUseClassesThatFlink2Removed() {
    noClasses()
        .that(DescribedPredicate.not(touchFlinkCdc()))
        .should()
        .dependOnClassesThat()
        .haveNameMatching(REMOVED_BY_FLINK_2)
        .check(main);
  }

  private static DescribedPredicate<JavaClass> touchFlinkCdc() {
    return DescribedPredicate.describe(
        "touch Flink CDC",
        type ->
            type.getDirectDependenciesFromSelf().stream()
                .anyMatch(
                    use ->
                        use.getTargetClass().getPackageName().startsWith("org.apache.flink.cdc")));
  }
}
