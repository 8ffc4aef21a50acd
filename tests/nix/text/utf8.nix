let
  inherit (import ../../../lib/text/utf8.nix) characters start;
in
{
  testCharactersOfAscii = {
    expr = characters "name";
    expected = 4;
  };
  testCharactersOfSeveralBytes = {
    expr = characters "né日本🙂";
    expected = 5;
  };
  testCharactersOfNothing = {
    expr = characters "";
    expected = 0;
  };
  testStartOfAscii = {
    expr = start 2 "name";
    expected = "na";
  };
  testStartLongerThanText = {
    expr = start 9 "né";
    expected = "né";
  };
  testStartNeverSplitsACharacter = {
    expr = map (bytes: start bytes "日🙂") [
      0
      1
      2
      3
      4
      5
      6
      7
    ];
    expected = [
      ""
      ""
      ""
      "日"
      "日"
      "日"
      "日"
      "日🙂"
    ];
  };
}
