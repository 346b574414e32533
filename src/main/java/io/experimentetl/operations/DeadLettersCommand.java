package io.experimentetl.operations;

import io.experimentetl.model.Lsn;
import io.experimentetl.operations.DeadLetters.Letter;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The verb {@code dead-letters}. */
@Command(
    name = "dead-letters",
    mixinStandardHelpOptions = true,
    description = {
      "Lists the rows of PostgreSQL that could not be delivered to ClickHouse, and why. After the cause is fixed,",
      "--replay sends exactly these rows through the change stream again."
    })
public final class DeadLettersCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private final Databases databases;

  @Option(
      names = "--replay",
      description =
          "touches the rows in PostgreSQL, in commit order, by an UPDATE that changes nothing. The user needs the right to"
              + " UPDATE these tables, which the job's own does not have. A delivered row leaves the list with the next checkpoint")
  private boolean replay;

  public DeadLettersCommand(Databases databases) {
    this.databases = databases;
  }

  @Override
  public Integer call() {
    Consumer<String> log = Lines.to(spec.commandLine().getOut());
    List<Letter> letters = DeadLetters.list(databases.clickHouse());
    for (Letter letter : letters) {
      log.accept(
          "%-13s %-55s %-15s LSN %s  first seen %s, last seen %s%n    %s"
              .formatted(
                  letter.place(),
                  letter.key(),
                  letter.code(),
                  Lsn.print(letter.lsn()),
                  letter.firstSeen(),
                  letter.lastSeen(),
                  letter.reason()));
    }
    log.accept("%,d rows are not delivered".formatted(letters.size()));
    if (replay && !letters.isEmpty()) {
      List<Letter> gone = DeadLetters.replay(databases.postgres(), letters);
      gone.forEach(
          letter ->
              log.accept(
                  "%s %s does not exist in PostgreSQL, or has another key there now"
                      .formatted(letter.place(), letter.key())));
      log.accept(
          "%,d rows replayed; the delivered ones leave the list with the next checkpoint"
              .formatted(letters.size() - gone.size()));
    }
    return 0;
  }
}
