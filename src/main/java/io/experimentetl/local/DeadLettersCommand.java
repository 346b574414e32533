package io.experimentetl.local;

import io.experimentetl.model.Lsn;
import io.experimentetl.operations.DeadLetters;
import io.experimentetl.operations.DeadLetters.Letter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "dead-letters",
    mixinStandardHelpOptions = true,
    description = {
      "Lists the rows of PostgreSQL that could not be delivered to ClickHouse, and why. When the cause is mended,",
      "--replay sends exactly these rows through the change stream again."
    })
final class DeadLettersCommand implements Callable<Integer> {
  @Mixin Etl.Place place;

  @Option(
      names = "--replay",
      description =
          "touches the rows in PostgreSQL, in commit order, by an UPDATE that changes nothing; what is delivered then leaves the list with the next checkpoint")
  private boolean replay;

  @Override
  public Integer call() {
    PlatformAddresses platform = place.running();
    DeadLetters deadLetters = new DeadLetters(platform.postgres().login(), platform.clickHouse());
    List<Letter> letters = deadLetters.list();
    for (Letter letter : letters) {
      System.out.printf(
          "%-13s %-55s %-15s LSN %s  first seen %s, last seen %s%n    %s%n",
          letter.table().tableName(),
          letter.key(),
          letter.code(),
          Lsn.print(letter.lsn()),
          letter.firstSeen(),
          letter.lastSeen(),
          letter.reason());
    }
    System.out.printf("%,d rows are not delivered%n", letters.size());
    if (replay && !letters.isEmpty()) {
      List<Letter> gone = deadLetters.replay(letters);
      gone.forEach(
          letter ->
              System.out.printf(
                  "%s %s is gone at the source, or has another key there now%n",
                  letter.table().tableName(), letter.key()));
      System.out.printf(
          "%,d rows replayed; those that are delivered leave the list with the next checkpoint%n",
          letters.size() - gone.size());
    }
    return 0;
  }
}
