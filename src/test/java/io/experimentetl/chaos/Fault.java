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

/** A fault of the pipeline, which lasts for a while and then ends. */
enum Fault {
  TASKMANAGER_KILLED("TaskManager: kill -9") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cluster.flink().killTaskManager();
      waitBetween(0, 3_000, random);
      cluster.flink().startTaskManager();
    }
  },
  JOBMANAGER_KILLED("JobManager: kill -9, taken over by ZooKeeper") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cluster.flink().killJobManager();
      waitBetween(0, 3_000, random);
      cluster.flink().startJobManager();
    }
  },
  TASKMANAGER_PAUSED("TaskManagers: SIGSTOP, also beyond the heartbeat's timeout") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cluster.pause(cluster.flink().taskManagerPids(), () -> waitBetween(500, 12_000, random));
    }
  },
  CLICKHOUSE_KILLED("ClickHouse: kill -9") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cluster.clickHouse().kill9();
      waitBetween(0, 4_000, random);
      cluster.clickHouse().start();
    }
  },
  CLICKHOUSE_PAUSED("ClickHouse: SIGSTOP, also beyond the request's timeout") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cluster.pause(List.of(cluster.clickHouse().pid()), () -> waitBetween(500, 14_000, random));
    }
  },
  POSTGRES_RESTARTED("PostgreSQL: fast restart") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cluster.postgres().stop();
      waitBetween(0, 2_000, random);
      cluster.postgres().start();
    }
  },
  POSTGRES_KILLED("PostgreSQL: kill -9, crash recovery") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cluster.postgres().kill9();
      waitBetween(0, 2_000, random);
      cluster.postgres().start();
    }
  },
  CLICKHOUSE_CUT("network to ClickHouse: cut") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cut(cluster.toClickHouse(), random);
    }
  },
  POSTGRES_CUT("network to PostgreSQL: cut") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cut(cluster.toPostgres(), random);
    }
  },
  CLICKHOUSE_SLOW("network to ClickHouse: slow, or nothing passes") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      slow(cluster.toClickHouse(), random);
    }
  },
  POSTGRES_SLOW("network to PostgreSQL: slow, or nothing passes") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      slow(cluster.toPostgres(), random);
    }
  },
  INSERT_CUT("INSERTs: cut off at a random byte") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      for (int i = random.nextInt(1, 4); i > 0; i--) {
        cluster
            .toClickHouse()
            .hangUpAfter(Direction.TO_SERVER, random.nextInt(1, 60_000), hangup(random));
        waitBetween(200, 1_500, random);
      }
      cluster.toClickHouse().heal();
    }
  },
  INSERT_ANSWER_LOST("INSERTs: done, and the answer is lost") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      requests(cluster, random, new RequestFault.DropAnswer(random.nextInt(0, 40), hangup(random)));
    }
  },
  INSERT_TWICE("INSERTs: delivered twice") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      requests(cluster, random, new RequestFault.DeliverTwice(random.nextBoolean()));
    }
  },
  INSERT_LATE("INSERTs: delivered when the client has given up") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      requests(
          cluster,
          random,
          new RequestFault.DelayRequest(
              ChaosCluster.REQUEST_TIMEOUT.plusMillis(random.nextInt(100, 2_000))));
    }
  },
  REDEPLOYED("redeployed by savepoint") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cluster.redeploy(cluster.parallelism());
    }
  },
  RESCALED("redeployed by savepoint at another parallelism") {
    @Override
    void inject(ChaosCluster cluster, RandomGenerator random) {
      cluster.redeploy(1 + (cluster.parallelism() + random.nextInt(1, 4) - 1) % 4);
    }
  };

  private static final String INSERTS = "INSERT";

  /** The name in the report. */
  final String sentence;

  Fault(String sentence) {
    this.sentence = sentence;
  }

  /** Injects the fault and returns when it is over; the pipeline may not have recovered by then. */
  abstract void inject(ChaosCluster cluster, RandomGenerator random);

  private static void cut(FaultProxy proxy, RandomGenerator random) {
    proxy.network(Condition.REFUSING);
    proxy.hangUp(hangup(random));
    waitBetween(100, 6_000, random);
    proxy.heal();
  }

  private static void slow(FaultProxy proxy, RandomGenerator random) {
    switch (random.nextInt(3)) {
      case 0 -> proxy.network(Condition.delayedBy(Duration.ofMillis(random.nextInt(20, 400))));
      case 1 -> proxy.network(Condition.throttledTo(random.nextInt(2_000, 100_000)));
      default -> proxy.network(Condition.STALLED);
    }
    waitBetween(1_000, 9_000, random);
    proxy.heal();
  }

  private static void requests(ChaosCluster cluster, RandomGenerator random, RequestFault fault) {
    cluster.toClickHouse().next(random.nextInt(1, 6), INSERTS, fault);
    waitBetween(2_500, 5_000, random);
    cluster.toClickHouse().heal();
  }

  private static Hangup hangup(RandomGenerator random) {
    return random.nextBoolean() ? Hangup.RESET : Hangup.FIN;
  }

  private static void waitBetween(int fromMillis, int toMillis, RandomGenerator random) {
    Pause.of(Duration.ofMillis(random.nextInt(fromMillis, toMillis)));
  }
}
