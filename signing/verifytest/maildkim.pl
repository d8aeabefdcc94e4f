# Verifies every signature of the message on standard input with Mail::DKIM and
# prints one JSON object each. The argument is a file with the TXT records, as a
# JSON object by name.
use strict;
use warnings;
use JSON::PP;
use Mail::DKIM::Verifier;
use Net::DNS;

my $json = JSON::PP->new->canonical;
open(my $file, '<', $ARGV[0]) or die "$ARGV[0]: $!";
my $records = $json->decode(do { local $/; <$file> });

{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name, $type) = @_;
        my $record = $records->{ lc $name };
        $@ = 'NXDOMAIN';
        return unless defined $record;
        $@ = 'NOERROR';
        return Net::DNS::RR->new(name => $name, type => 'TXT', txtdata => [ unpack '(a255)*', $record ]);
    };
}

binmode STDIN;
my $verifier = Mail::DKIM::Verifier->new;
$verifier->PRINT(do { local $/; <STDIN> });
$verifier->CLOSE;
for my $signature ($verifier->signatures) {
    my $error = $signature->result eq 'pass' ? '' : $signature->result_detail;
    print $json->encode({
        d => $signature->domain, s => $signature->selector, a => $signature->algorithm, error => $error,
    }), "\n";
}
