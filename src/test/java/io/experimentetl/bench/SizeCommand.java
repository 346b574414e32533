package io.experimentetl.bench;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code ./etl bench size}: how the cost of a row grows with the size of what is around it. */
@Command(
    name = "size",
    mixinStandardHelpOptions = true,
    subcommands = PlatformSizes.class,
    description = {
      "Measures the operator attribute on RocksDB, in this process: processor time, medians of three, as JSON.",
      "Compare the ratios: absolute figures depend on the machine."
    })
public final class SizeCommand implements Callable<Integer> {
  private static final int APPENDED = 20_000;

  @Spec private CommandSpec spec;
  @Mixin private final SizeFigures sizes = new SizeFigures();

  @Option(
      names = "--only",
      paramLabel = "PREFIX",
      defaultValue = "",
      description = "measures only the figures whose names begin so")
  private String only;

  private interface Figure {
    double measure() throws Exception;
  }

  @Override
  public Integer call() throws Exception {
    Map<String, Figure> figures = new LinkedHashMap<>();
    for (int history : List.of(20, sizes.scaled(20_000), sizes.scaled(200_000))) {
      figures.put("append.history_%d.us_per_row".formatted(history), () -> append(history, 2));
    }
    int updated = sizes.scaled(100_000);
    figures.put("update.events_%d.seconds".formatted(updated), () -> update(updated));
    for (int metrics : List.of(2, 20, 60)) {
      figures.put(
          "metrics_%d.us_per_row".formatted(metrics), () -> append(sizes.scaled(2_000), metrics));
    }
    for (int experiments : List.of(10, sizes.scaled(10_000))) {
      figures.put(
          "experiments_%d.us_per_row".formatted(experiments), () -> experiments(experiments));
    }
    for (int experiments : List.of(10, sizes.scaled(2_000))) {
      figures.put(
          "experiments_of_user_%d.us_per_row".formatted(experiments),
          () -> experimentsOfOneUser(experiments));
    }
    for (int experiments : List.of(1, 20)) {
      figures.put(
          "shared.experiments_of_user_%d.us_per_row".formatted(experiments),
          () -> shared(experiments, EventRow.SHARED));
    }
    figures.put("shared.none_of_20.us_per_row", () -> shared(20, 1));
    int users = sizes.scaled(100_000);
    figures.put("users_%d.us_per_row".formatted(users), () -> rowsOfUsers(users));
    figures.put("edit.100_among_%d.ms".formatted(users), () -> edit(users, 100));
    figures.put("edit.all_of_%d.seconds".formatted(users), () -> edit(users, users) / 1e3);
    int deletes = sizes.scaled(100);
    figures.put(
        "delete.%d_events_of_3000_users.us_per_row".formatted(deletes), () -> delete(deletes));
    print(figures);
    return 0;
  }

  private void print(Map<String, Figure> figures) throws Exception {
    Map<String, Double> medians = new LinkedHashMap<>();
    for (Map.Entry<String, Figure> figure : figures.entrySet()) {
      if (figure.getKey().startsWith(only)) {
        List<Double> rounds = new ArrayList<>();
        for (int i = 0; i < SizeFigures.ROUNDS; i++) {
          rounds.add(figure.getValue().measure());
        }
        medians.put(figure.getKey(), SizeFigures.rounded(SizeFigures.median(rounds)));
        spec.commandLine().getErr().println(figure.getKey() + " " + medians.get(figure.getKey()));
      }
    }
    SizeFigures.print(medians, spec.commandLine().getOut());
  }

  private static JobConfig config(int metrics) {
    MetricConfig[] all = new MetricConfig[metrics];
    for (int i = 0; i < metrics; i++) {
      all[i] =
          i == 0
              ? MetricConfig.mean("revenue", "purchase", "revenue")
              : MetricConfig.mean("metric" + i, "type" + i, "revenue");
    }
    return ConfigBuilder.defaults().withMetrics(all).build();
  }

  /** Rows behind a history of one user, with barriers among them. */
  private static double append(int history, int metrics) throws Exception {
    try (OperatorBench bench = new OperatorBench(config(metrics))) {
      bench.experiments(1, 1);
      bench.member("warm", 1);
      bench.append("warm", 1, 0, APPENDED, "purchase");
      bench.member("u", 1);
      bench.append("u", 1, 0, history, "purchase");
      bench.barrier();
      return OperatorBench.cpuMicros(
              () -> {
                for (int i = 0; i < 40; i++) {
                  bench.append("u", 1, history + i * (APPENDED / 40L), APPENDED / 40, "purchase");
                  bench.barrier();
                }
              })
          / APPENDED;
    }
  }

  private static double update(int events) throws Exception {
    try (OperatorBench bench = new OperatorBench(config(2))) {
      bench.experiments(1, 1);
      bench.member("u", 1);
      bench.append("u", 1, 0, events, "purchase");
      bench.barrier();
      return OperatorBench.cpuMicros(
              () -> {
                bench.updateAll("u", 1, events, "purchase");
                bench.barrier();
              })
          / 1e6;
    }
  }

  private static double experiments(int experiments) throws Exception {
    try (OperatorBench bench = new OperatorBench(config(2))) {
      bench.experiments(1, experiments);
      for (int i = 0; i < 200; i++) {
        bench.member("u" + i, 1 + i % experiments);
        bench.append("u" + i, 1 + i % experiments, 0, 20, "purchase");
      }
      bench.barrier();
      return OperatorBench.cpuMicros(
              () -> {
                for (int i = 0; i < 200; i++) {
                  bench.append("u" + i, 1 + i % experiments, 20, 100, "purchase");
                }
                bench.barrier();
              })
          / (200 * 100);
    }
  }

  private static double experimentsOfOneUser(int experiments) throws Exception {
    try (OperatorBench bench = new OperatorBench(config(2))) {
      bench.experiments(1, experiments);
      bench.member("u", 1);
      for (int i = 2; i <= experiments; i++) {
        bench.join("u", i);
      }
      bench.barrier();
      return OperatorBench.cpuMicros(
              () -> {
                for (int i = 0; i < 40; i++) {
                  bench.append("u", 1 + i % experiments, i * 50L, 50, "purchase");
                  bench.barrier();
                }
              })
          / 2_000;
    }
  }

  /** Rows of 200 users, who are each in this many experiments, with barriers among them. */
  private static double shared(int experiments, long experiment) throws Exception {
    int users = 200;
    SourceMapping tables =
        new SourceMapping(
            "public",
            List.of(
                TableBinding.defaults(SourceTable.EVENTS, "public")
                    .with("experiment_id", ColumnBinding.of(Origin.Constant.SHARED))));
    JobConfig config = ConfigBuilder.from(config(2)).with(SourceConfig::tables, tables).build();
    try (OperatorBench bench = new OperatorBench(config)) {
      bench.experiments(1, experiments);
      for (int i = 0; i < users; i++) {
        bench.member("u" + i, 1);
        for (int of = 2; of <= experiments; of++) {
          bench.join("u" + i, of);
        }
        bench.append("u" + i, experiment, 0, 20, "purchase");
      }
      bench.barrier();
      return OperatorBench.cpuMicros(
              () -> {
                for (int barrier = 1; barrier <= 20; barrier++) {
                  for (int i = 0; i < users; i++) {
                    bench.append("u" + i, experiment, barrier * 20L, 5, "purchase");
                  }
                  bench.barrier();
                }
              })
          / (20 * users * 5);
    }
  }

  private static void members(OperatorBench bench, int users, long experiment) throws Exception {
    for (int i = 0; i < users; i++) {
      bench.member("u" + i, experiment);
      bench.append("u" + i, experiment, 0, 9, "purchase");
    }
    bench.barrier();
  }

  /** Rows of users that are on the disk. */
  private static double rowsOfUsers(int users) throws Exception {
    try (OperatorBench bench = new OperatorBench(config(5))) {
      bench.experiments(1, 1);
      members(bench, users, 1);
      return OperatorBench.cpuMicros(
              () -> {
                for (int i = 0; i < users; i++) {
                  bench.append("u" + i, 1, 9, 1, "purchase");
                }
                bench.barrier();
              })
          / users;
    }
  }

  /** Milliseconds from the edit until its barrier. */
  private static double edit(int users, int members) throws Exception {
    try (OperatorBench bench = new OperatorBench(config(5))) {
      bench.experiments(1, 2);
      members(bench, members, 2);
      if (users > members) {
        for (int i = members; i < users; i++) {
          bench.member("u" + i, 1);
        }
        bench.barrier();
      }
      return OperatorBench.cpuMicros(
              () -> {
                bench.edit(2, OperatorBench.START + 1);
                bench.barrier();
              })
          / 1e3;
    }
  }

  private static double delete(int events) throws Exception {
    int users = 3_000;
    try (OperatorBench bench = new OperatorBench(config(5))) {
      bench.experiments(1, 1);
      for (int i = 0; i < users; i++) {
        bench.member("u" + i, 1);
        bench.append("u" + i, 1, 0, events, "purchase");
      }
      bench.barrier();
      return OperatorBench.cpuMicros(
              () -> {
                for (int i = 0; i < users; i++) {
                  bench.deleteAll("u" + i, 1, events, "purchase");
                }
                bench.barrier();
              })
          / ((double) users * events);
    }
  }
}
