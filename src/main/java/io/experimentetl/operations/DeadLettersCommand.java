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
      "Lists the rows of PostgreSQL that could not be delivered to ClickHouse, and why.",
      "After the cause is fixed, --replay sends exactly these rows through the change stream again. --dismiss closes the finding of a row that is to stay undelivered."
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

  @Option(
      names = "--dismiss",
      paramLabel = "KEY",
      description =
          "closes the finding of the row with this key, as the list shows it, or TABLE:KEY where two tables have the key. The row stays"
              + " undelivered, and verify does not report it as missing. Its next change opens the finding again if it cannot be"
              + " delivered. May be given several times")
  private List<String> dismissed = List.of();

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
    if (!dismissed.isEmpty()) {
      List<Letter> chosen = dismissed.stream().map(key -> chosen(letters, key)).toList();
      DeadLetters.dismiss(databases.clickHouse(), chosen);
      log.accept("%,d rows dismissed".formatted(chosen.size()));
    }
    if (replay && !letters.isEmpty()) {
      List<Letter> gone =
          DeadLetters.replay(databases.postgres(), databases.config().source().tables(), letters);
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

  private static Letter chosen(List<Letter> letters, String key) {
    List<Letter> found =
        letters.stream()
            .filter(
                letter ->
                    letter.key().equals(key) || key.equals(letter.place() + ":" + letter.key()))
            .toList();
    if (found.size() != 1) {
      throw new OperationsException(
          found.isEmpty()
              ? "no undelivered row has the key %s: take a key from the list of dead-letters"
                  .formatted(key)
              : "%d tables have an undelivered row with the key %s: give TABLE:KEY, such as %s:%s"
                  .formatted(found.size(), key, found.get(0).place(), key));
    }
    return found.get(0);
  }
}
