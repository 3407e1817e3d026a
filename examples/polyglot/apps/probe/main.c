/* Exits with 0 if its argument is a readable file. */
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments) {
  if (count > 1 && strcmp(arguments[1], "--version") == 0) {
    puts("probe " VERSION);
    return 0;
  }
  if (count > 1 && strcmp(arguments[1], "--help") == 0) {
    puts("usage: probe FILE");
    return 0;
  }
  FILE *file = count > 1 ? fopen(arguments[1], "r") : NULL;
  return file == NULL;
}
