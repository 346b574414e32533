package io.experimentetl.chaos;

import io.experimentetl.faults.Condition;
import io.experimentetl.faults.FaultProxy;
import io.experimentetl.faults.FaultProxy.Direction;
import io.experimentetl.faults.Hangup;
import io.experimentetl.faults.RequestFault;
import io.experimentetl.local.demo.Pause;
import java.time.Duration;
import java.util.List;
import java.util.random.RandomGenerator;

/** What can befall the pipeline. Each strikes, lasts for a while, and is over. */
enum Fault {
  TASKMANAGER_KILLED("TaskManager: kill -9") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      ground.cluster().killTaskManager();
      last(0, 3_000, random);
      ground.cluster().startTaskManager();
    }
  },
  JOBMANAGER_KILLED("JobManager: kill -9, taken over by ZooKeeper") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      ground.cluster().killJobManager();
      last(0, 3_000, random);
      ground.cluster().startJobManager();
    }
  },
  TASKMANAGER_PAUSED("TaskManagers: SIGSTOP, also beyond the heartbeat's timeout") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      ground.pause(ground.cluster().taskManagerPids(), () -> last(500, 12_000, random));
    }
  },
  CLICKHOUSE_KILLED("ClickHouse: kill -9") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      ground.clickHouse().kill9();
      last(0, 4_000, random);
      ground.clickHouse().start();
    }
  },
  CLICKHOUSE_PAUSED("ClickHouse: SIGSTOP, also beyond the request's timeout") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      ground.pause(List.of(ground.clickHouse().pid()), () -> last(500, 14_000, random));
    }
  },
  POSTGRES_RESTARTED("PostgreSQL: fast restart") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      ground.postgres().stop();
      last(0, 2_000, random);
      ground.postgres().start();
    }
  },
  POSTGRES_KILLED("PostgreSQL: kill -9, crash recovery") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      ground.postgres().kill9();
      last(0, 2_000, random);
      ground.postgres().start();
    }
  },
  CLICKHOUSE_CUT("network to ClickHouse: cut") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      cut(ground.toClickHouse(), random);
    }
  },
  POSTGRES_CUT("network to PostgreSQL: cut") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      cut(ground.toPostgres(), random);
    }
  },
  CLICKHOUSE_SLOW("network to ClickHouse: slow, or nothing passes") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      slow(ground.toClickHouse(), random);
    }
  },
  POSTGRES_SLOW("network to PostgreSQL: slow, or nothing passes") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      slow(ground.toPostgres(), random);
    }
  },
  INSERT_CUT("INSERTs: cut off at a random byte") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      for (int i = random.nextInt(1, 4); i > 0; i--) {
        ground
            .toClickHouse()
            .hangUpAfter(Direction.TO_SERVER, random.nextInt(1, 60_000), hangup(random));
        last(200, 1_500, random);
      }
      ground.toClickHouse().heal();
    }
  },
  INSERT_ANSWER_LOST("INSERTs: done, and the answer is lost") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      requests(ground, random, new RequestFault.DropAnswer(random.nextInt(0, 40), hangup(random)));
    }
  },
  INSERT_TWICE("INSERTs: delivered twice") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      requests(ground, random, new RequestFault.DeliverTwice(random.nextBoolean()));
    }
  },
  INSERT_LATE("INSERTs: delivered when the client has given up") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      requests(
          ground,
          random,
          new RequestFault.DelayRequest(
              ChaosCluster.REQUEST_TIMEOUT.plusMillis(random.nextInt(100, 2_000))));
    }
  },
  REDEPLOYED("redeployed by savepoint") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      ground.redeploy(ground.parallelism());
    }
  },
  RESCALED("redeployed by savepoint at another parallelism") {
    @Override
    void strike(ChaosCluster ground, RandomGenerator random) {
      ground.redeploy(1 + (ground.parallelism() + random.nextInt(1, 4) - 1) % 4);
    }
  };

  private static final String INSERTS = "INSERT";

  /** As the report calls it. */
  final String sentence;

  Fault(String sentence) {
    this.sentence = sentence;
  }

  /** Strikes, and returns when the fault is over; the pipeline may not have recovered by then. */
  abstract void strike(ChaosCluster ground, RandomGenerator random);

  private static void cut(FaultProxy line, RandomGenerator random) {
    line.line(Condition.REFUSING);
    line.hangUp(hangup(random));
    last(100, 6_000, random);
    line.heal();
  }

  private static void slow(FaultProxy line, RandomGenerator random) {
    switch (random.nextInt(3)) {
      case 0 -> line.line(Condition.delayedBy(Duration.ofMillis(random.nextInt(20, 400))));
      case 1 -> line.line(Condition.throttledTo(random.nextInt(2_000, 100_000)));
      default -> line.line(Condition.STALLED);
    }
    last(1_000, 9_000, random);
    line.heal();
  }

  private static void requests(ChaosCluster ground, RandomGenerator random, RequestFault fault) {
    ground.toClickHouse().next(random.nextInt(1, 6), INSERTS, fault);
    last(2_500, 5_000, random);
    ground.toClickHouse().heal();
  }

  private static Hangup hangup(RandomGenerator random) {
    return random.nextBoolean() ? Hangup.RESET : Hangup.FIN;
  }

  private static void last(int fromMillis, int toMillis, RandomGenerator random) {
    Pause.of(Duration.ofMillis(random.nextInt(fromMillis, toMillis)));
  }
}
